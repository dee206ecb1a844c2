import type { Compression } from './kinds.ts';

/** @throws LonghaulError ARCHIVE_DAMAGED, TOOL_MISSING; on abort, the signal's reason */
export function decompressFile(
  compression: Compression,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  throw new Error(`${compression} ${path} ${signal.aborted}`);
}
