import { posix } from 'node:path';
import type { ImageFormat } from '../../contracts/spec.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import { formatOfHead } from '../image/formats/head.ts';
import { isVmdkDescriptor } from '../image/formats/vmdk-descriptor.ts';
import { parsePartitionTable } from '../image/partition-table.ts';
import { recognise, signatureBytes } from '../image/signatures.ts';
import { archiveError } from './errors.ts';
import type { ArchiveMember } from './members.ts';

/** How much of a member `diskOf` has to see. */
export const diskHeadBytes = signatureBytes;

/** An OVF descriptor by its name. macOS puts a `._web01.ovf` beside it, with what its own file system knew. */
export const isDescriptorName = (name: string): boolean => /(^|\/)(?!\._)[^/]*\.ovf$/i.test(name);

/** A member that is a disk by its content. */
export interface DiskCandidate extends ArchiveMember {
  /** As its first bytes say; a fixed VHD looks raw. Probe the file before it is used. */
  looksLike: ImageFormat;
  /** A raw disk with a partition table is surely one; without, it may be a file system that was packed for itself. */
  partitioned: boolean;
  /** Members that hold the data of this one, a VMDK descriptor. */
  extents: string[];
}

/** The likeliest first. */
const ranks: readonly ((disk: DiskCandidate) => boolean)[] = [
  ({ looksLike, partitioned }) => looksLike === 'raw' && partitioned,
  ...(['qcow2', 'vmdk', 'vpc', 'vhdx', 'vdi', 'raw'] as const).map(
    (format) => (disk: DiskCandidate) => disk.looksLike === format,
  ),
];

/** The disk in a member, by its first bytes; undefined when it is none. */
export function diskOf({ name, sizeBytes }: ArchiveMember, head: Buffer): DiskCandidate | undefined {
  const disk = {
    ...(sizeBytes === undefined ? { name } : { name, sizeBytes }),
    partitioned: false,
    extents: [],
  };
  const format = formatOfHead(head);
  if (format === 'vmdk' && isVmdkDescriptor(head))
    return { ...disk, looksLike: format, extents: extentsIn(name, head) };
  if (format !== undefined) return { ...disk, looksLike: format };
  if (isCd(head)) return undefined;
  const partitioned = parsePartitionTable(head).kind !== 'none';
  return partitioned || recognise(head).length > 0 ? { ...disk, looksLike: 'raw', partitioned } : undefined;
}

/** An ISO 9660 file system; hybrid ones have a partition table besides. */
const isCd = (head: Buffer): boolean => head.toString('latin1', 0x8001, 0x8006) === 'CD001';

/** Of a descriptor that is well-formed; what is not is refused when the image is opened. */
function extentsIn(descriptor: string, head: Buffer): string[] {
  const lines = head.toString('utf8').matchAll(/^RW \d+ [A-Z]+ "([^"]+)"/gm);
  return [...lines].map(([, name = '']) => posix.join(posix.dirname(descriptor), name));
}

/** Disks of an archive that says nothing of them. */
export interface ChosenDisks<Disk extends DiskCandidate> {
  disks: Disk[];
  /** Those that were neither named nor of the best rank, when none were named. */
  leftOut: Disk[];
}

/**
 * The disks that are meant: those that were named, in that order, else the only one of the best rank. The same disk
 * comes in several formats, or beside file systems that were packed for themselves; of two of a rank nobody knows.
 *
 * @param members names of all members, wanted or not
 * @throws LonghaulError ARCHIVE_AMBIGUOUS, which lists them, when it is not clear; ARCHIVE_UNSUPPORTED when there is none
 */
export function chooseDisks<Disk extends DiskCandidate>(
  archive: string,
  candidates: readonly Disk[],
  members: readonly string[],
  named?: readonly string[],
): ChosenDisks<Disk> {
  const parts = new Set(candidates.flatMap(({ extents }) => extents));
  const disks = candidates.filter(({ name }) => !parts.has(name)).toSorted((a, b) => rankOf(a) - rankOf(b));
  if (named !== undefined)
    return { disks: named.map((name) => namedDisk(archive, name, disks)), leftOut: [] };
  const [first, ...leftOut] = disks;
  if (first === undefined) throw withoutDisk(archive, members);
  const best = disks.filter((disk) => rankOf(disk) === rankOf(first));
  if (best.length > 1) throw ambiguous(archive, `holds ${best.length} disks that may be meant`, disks);
  return { disks: [first], leftOut };
}

const rankOf = (disk: DiskCandidate): number => ranks.findIndex((matches) => matches(disk));

function namedDisk<Disk extends DiskCandidate>(archive: string, name: string, disks: readonly Disk[]): Disk {
  const disk = disks.find((each) => each.name === name);
  if (disk === undefined) throw ambiguous(archive, `holds no disk of the name ${name}`, disks);
  return disk;
}

function ambiguous(archive: string, what: string, disks: readonly DiskCandidate[]): LonghaulError {
  return new LonghaulError('ARCHIVE_AMBIGUOUS', {
    found: `${archive} ${what}; there are: ${listed(disks)}`,
    remedy: 'Name the disks of the VM in the spec, in their order, then retry.',
    details: { archive, disks },
  });
}

/** With what tells them apart, for people; the first 20. */
export function listed(disks: readonly DiskCandidate[]): string {
  const list = disks.slice(0, 20).map(({ name, looksLike, sizeBytes, partitioned }) => {
    const size = sizeBytes === undefined ? '' : `, ${formatBytes(sizeBytes)}`;
    return `${name} (${looksLike}${partitioned ? ' with partitions' : ''}${size})`;
  });
  return list.join(', ');
}

/** What there is instead, when it is of a kind that is known. */
function withoutDisk(archive: string, members: readonly string[]): LonghaulError {
  // AWS: an image that `ec2-bundle-image` or `ec2-bundle-vol` made. Its parts are a tar.gz, cut up and encrypted with
  // a key that only the account and AWS can read.
  const manifest = members.find((name) => /\.manifest\.xml$/i.test(name));
  if (manifest !== undefined && members.some((name) => /\.part\.\d+$/.test(name)))
    return archiveError(
      'ARCHIVE_UNSUPPORTED',
      archive,
      `is an AWS bundle (${manifest}), which is encrypted`,
      {
        remedy: 'Run `ec2-unbundle` with the private key of the account, and give the image that it writes.',
      },
    );
  const part = members.find(
    (name) => /\.(\d{2,}|part\d+|part\.\d+|[a-z]{2})$/.test(name) && isSeries(name, members),
  );
  if (part !== undefined)
    return archiveError(
      'ARCHIVE_UNSUPPORTED',
      archive,
      `holds a disk that was cut into parts (${part} ...)`,
      {
        remedy: 'Join them (`cat NAME.* > NAME`), and give the result.',
      },
    );
  return archiveError('ARCHIVE_UNSUPPORTED', archive, 'holds no disk that could be recognised', {
    remedy: 'See what is in it, and give the disk image itself.',
    details: { members: members.slice(0, 20) },
  });
}

/** Whether there is another member that differs in the last letters only. */
function isSeries(name: string, members: readonly string[]): boolean {
  const stem = name.slice(0, -1);
  return members.some((other) => other !== name && other.length === name.length && other.startsWith(stem));
}
