import type { ArchiveBudget } from './limits.ts';
import type { OpenMember, SkippedMember } from './members.ts';

export interface ReadJob {
  /** A file of any kind that `archiveKindOf` knows; one that is merely compressed has one member. */
  path: string;
  /** What members are counted against; shared with archives inside. */
  budget: ArchiveBudget;
  signal: AbortSignal;
  /** Members that are left out are told here. */
  onSkipped: (skipped: SkippedMember) => void;
}

/**
 * The members of an archive in their order, each checked before it is handed over.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_DAMAGED, ARCHIVE_UNSUPPORTED, SOURCE_NOT_FOUND,
 *   SOURCE_UNREADABLE, TOOL_MISSING; on abort, the signal's reason
 */
export function readMembers(job: ReadJob): AsyncGenerator<OpenMember> {
  throw new Error(job.path);
}
