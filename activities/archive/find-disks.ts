import type { ImageFormat } from '../../contracts/spec.ts';
import type { ArchiveMember } from './members.ts';

export interface DiskCandidate extends ArchiveMember {
  format: ImageFormat;
  /** A raw disk with a partition table is one for sure. */
  partitioned: boolean;
}

/** The disk in a member, by its first bytes; undefined when it is none. */
export function diskOf(member: ArchiveMember, head: Buffer): DiskCandidate | undefined {
  throw new Error(`${member.name} ${head.length}`);
}

/**
 * Of several candidates those that are meant: the best rank (raw with a partition table, qcow2, vmdk, vpc, vhdx,
 * vdi, raw without a table).
 *
 * @param named as the operator chose; undefined when not
 * @throws LonghaulError ARCHIVE_AMBIGUOUS, which lists them, when it is not clear
 */
export function chooseDisks(
  archive: string,
  candidates: readonly DiskCandidate[],
  named?: readonly string[],
): DiskCandidate[] {
  throw new Error(`${archive} ${candidates.length} ${named?.length ?? 0}`);
}
