import { chooseDisks, type DiskCandidate, diskHeadBytes, diskOf } from '../../archive/find-disks.ts';
import { goOn } from '../../archive/joined-parts.ts';
import type { TarMember } from '../../archive/members.ts';
import { factsOfHead } from '../../image/formats/head.ts';

/** A disk of a tar that comes without a descriptor, found by its content. */
export interface LooseDisk extends DiskCandidate {
  index: number;
  member: TarMember;
  /** By its header, else the member's. */
  virtualSizeBytes: number;
}

/**
 * The disks of a tar that can be used where they lie.
 *
 * @param named the members that the operator means, in their order; see `chooseDisks`
 * @returns undefined when they have to be extracted: compressed, sparse, or in several members
 * @throws LonghaulError ARCHIVE_AMBIGUOUS
 */
export async function looseDisks(
  archive: string,
  members: readonly TarMember[],
  named: readonly string[] | undefined,
  headOf: (member: TarMember, count: number) => Promise<Buffer>,
): Promise<LooseDisk[] | undefined> {
  if (members.some(({ isSparse }) => isSparse)) return undefined;
  const candidates: Omit<LooseDisk, 'index'>[] = [];
  for (const member of members) {
    const head = await headOf(member, diskHeadBytes);
    const disk = diskOf(member, head);
    const virtualSizeBytes = factsOfHead(head).virtualSizeBytes ?? member.sizeBytes;
    if (disk !== undefined) candidates.push({ ...disk, member, virtualSizeBytes });
  }
  const names = members.map(({ name }) => name);
  const disks = new Set(candidates.map(({ name }) => name));
  const others = names.filter((name) => !disks.has(name));
  if (candidates.length === 0 || goOn([...disks], others)) return undefined;
  const chosen = chooseDisks(archive, candidates, names, named);
  if (chosen.some(({ extents }) => extents.length > 0)) return undefined;
  return chosen.map((disk, index) => ({ ...disk, index }));
}
