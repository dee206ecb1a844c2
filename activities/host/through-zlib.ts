import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MalformedArchive } from './byte-reader.ts';

/**
 * What a transform of node:zlib makes of a stream. An error of `source` is thrown.
 *
 * @throws MalformedArchive when the data is damaged; on abort, the signal's reason
 */
export async function* throughZlib(
  transform: Transform,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const done = pipeline(source instanceof Readable ? source : Readable.from(source), transform, { signal });
  // The reader may stop early; the failure is seen below when it matters.
  done.catch(() => undefined);
  try {
    for await (const chunk of transform) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    if (!isZlibError(error)) throw error;
    throw new MalformedArchive(`the compressed data is damaged: ${error.message}`);
  } finally {
    transform.destroy();
  }
}

/** Z_DATA_ERROR and its like, ZSTD_error_... */
function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(Z_|ZSTD_)/.test(String(error.code));
}
