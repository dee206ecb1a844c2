import { chooseDisks, type DiskCandidate, diskOf } from '../../archive/find-disks.ts';
import { headBytes } from '../../archive/extract.ts';
import type { ArchiveMember } from '../../archive/members.ts';
import { factsOfHead } from '../../image/formats/head.ts';

/** The disks of archives that come without a descriptor: found by their content. */

export interface LooseDisk<M extends ArchiveMember> {
  index: number;
  member: M;
  /** By its header, else the member's. */
  virtualSizeBytes: number;
}

/**
 * @param named the members that the operator means, in their order; see `chooseDisks`
 * @returns none when no member is a disk as it is
 * @throws LonghaulError ARCHIVE_AMBIGUOUS
 */
export async function looseDisks<M extends ArchiveMember>(
  archive: string,
  members: readonly M[],
  named: readonly string[] | undefined,
  headOf: (member: M, count: number) => Promise<Buffer>,
): Promise<LooseDisk<M>[]> {
  const candidates: (DiskCandidate & { of: M; head: Buffer })[] = [];
  for (const member of members) {
    const head = await headOf(member, headBytes);
    const candidate = diskOf(member, head);
    if (candidate !== undefined) candidates.push({ ...candidate, of: member, head });
  }
  if (candidates.length === 0) return [];
  const chosen = chooseDisks(archive, candidates, named);
  return chosen.flatMap(({ name }, index) => {
    const candidate = candidates.find((one) => one.name === name);
    if (candidate === undefined) return [];
    const { of: member, head } = candidate;
    return {
      index,
      member,
      virtualSizeBytes: factsOfHead(head).virtualSizeBytes ?? member.sizeBytes ?? head.length,
    };
  });
}
