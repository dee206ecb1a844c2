import type { StepIo } from '../host/step-io.ts';
import type { ArchiveLimits } from './limits.ts';
import type { ArchiveMember, SkippedMember } from './members.ts';
import type { ArchiveKind } from './kinds.ts';

/**
 * What is to become of a member:
 * `write` it to a file; `unpack` it, which is an archive or compressed: each of its own members is asked about, and
 * what is merely compressed is written; `check` its digests only; `skip` it.
 */
export type Wish = 'write' | 'unpack' | 'check' | 'skip';

export type DigestName = 'sha1' | 'sha256' | 'sha512';

export interface ExtractJob {
  path: string;
  /** Made if missing, with `record` and, below `files/`, the members; nothing else may lie in it. */
  directory: string;
  limits: ArchiveLimits;
  /** Asked about each member that is safe, with its first bytes (up to `headBytes`) and what they say it is. */
  want: (member: ArchiveMember & { head: Buffer; kind: ArchiveKind }) => Wish;
  /** Besides SHA-256, over the bytes of members as they lie in the archive (for manifests). */
  digests?: readonly DigestName[];
  io: StepIo;
}

export interface ExtractedMember extends ArchiveMember {
  /** As it lies in the archive, before anything that `unpack` did. */
  stored: { sizeBytes: number; digests: Partial<Record<DigestName, string>> };
  /** Where it was written, unless it was only checked or is an archive that was unpacked. */
  file?: { path: string; sizeBytes: number; sha256: string };
}

export interface Extracted {
  members: ExtractedMember[];
  skipped: SkippedMember[];
}

/**
 * Extracts wanted members into a directory. Called again after whatever ended it, it goes on at the member it was
 * in. Every file has its name only when it is whole and durable, is for its owner only, and has holes for zeros. An
 * archive that is refused leaves nothing but the record that says why. One caller at a time: hold a lock.
 *
 * @throws what `readMembers` throws; LonghaulError SPACE_INSUFFICIENT, SOURCE_CHANGED
 */
export function extract(job: ExtractJob): Promise<Extracted> {
  throw new Error(job.path);
}
