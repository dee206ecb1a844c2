import { warning } from '../../../contracts/findings.ts';
import type { Finding } from '../../../contracts/values.ts';
import {
  type ChosenDisks,
  chooseDisks,
  type DiskCandidate,
  diskHeadBytes,
  diskOf,
  listed,
} from '../../archive/find-disks.ts';
import { goOn, isSurely } from '../../archive/joined-parts.ts';
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
 * @returns their disks, and what is to be told of others; undefined when they have to be extracted: compressed, sparse, or in several members
 * @throws LonghaulError ARCHIVE_AMBIGUOUS
 */
export async function looseDisks(
  archive: string,
  members: readonly TarMember[],
  named: readonly string[] | undefined,
  headOf: (member: TarMember, count: number) => Promise<Buffer>,
): Promise<{ disks: LooseDisk[]; findings: Finding[] } | undefined> {
  if (members.some(({ isSparse }) => isSparse)) return undefined;
  const candidates: Omit<LooseDisk, 'index'>[] = [];
  for (const member of members) {
    const head = await headOf(member, diskHeadBytes);
    const disk = diskOf(member, head);
    const virtualSizeBytes = factsOfHead(head).virtualSizeBytes ?? member.sizeBytes;
    if (disk !== undefined) candidates.push({ ...disk, member, virtualSizeBytes });
  }
  const names = members.map(({ name }) => name);
  const own = candidates.filter((disk) => isSurely(disk) || named?.includes(disk.name) === true);
  const disks = new Set(own.map(({ name }) => name));
  const others = names.filter((name) => !disks.has(name));
  if (candidates.length === 0 || goOn([...disks], others)) return undefined;
  const chosen = chooseDisks(archive, candidates, names, named);
  if (chosen.disks.some(({ extents }) => extents.length > 0)) return undefined;
  return {
    disks: chosen.disks.map((disk, index) => ({ ...disk, index })),
    findings: leftOutFindings(archive, chosen),
  };
}

/** What is to be told of disks that were found beside the one that is taken. */
export function leftOutFindings(
  archive: string,
  { disks: [taken], leftOut }: ChosenDisks<DiskCandidate>,
): Finding[] {
  if (taken === undefined || leftOut.length === 0) return [];
  return [
    warning(
      'disks-left-out',
      `${archive} holds more than one disk: ${taken.name} is taken, and left out are ${listed(leftOut)}`,
      'If they belong to the VM, name all its disks in source.disks, in their order.',
    ),
  ];
}
