import type { ArchiveLimits } from './limits.ts';
import type { SkippedMember, TarMember } from './members.ts';

export interface TarIndex {
  members: TarMember[];
  skipped: SkippedMember[];
}

/**
 * The files in a tar that is not compressed, with where their data lie. Only headers are read: it costs by
 * members, not by bytes.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_DAMAGED, SOURCE_NOT_FOUND, SOURCE_UNREADABLE; on
 *   abort, the signal's reason
 */
export function listTar(path: string, limits: ArchiveLimits, signal: AbortSignal): Promise<TarIndex> {
  throw new Error(`${path} ${limits.maxDepth} ${signal.aborted}`);
}
