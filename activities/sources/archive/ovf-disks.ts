import { LonghaulError } from '../../../contracts/errors.ts';
import { warning } from '../../../contracts/findings.ts';
import { formatBytes } from '../../../contracts/units.ts';
import type { AcquiredDisk, Finding, RemoteDisk } from '../../../contracts/values.ts';
import { ArchiveBudget, type ArchiveLimits } from '../../archive/limits.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { compareContent, requireDigest } from '../../image/content-digest.ts';
import { maxVirtualBytes } from '../../image/chain.ts';
import { assertUnchanged } from '../../image/identity.ts';
import { openDisk } from '../../image/open-disk.ts';
import { type OvfPackage, type PackageDisk, type PackagePiece, storedBytesOf } from './ovf-package.ts';
import { makeBlankDisk, tooLarge, unpackDisk } from './unpacked-disk.ts';

const MiB = 1024 ** 2;

/** Each that is unpacked has its buffers and its decompressor. */
const disksAtOnce = 4;

export interface AcquireOptions {
  work: WorkDir;
  limits: ArchiveLimits;
  /**
   * Compares all there is with its digests now. Else what is used where it lies is compared as it is copied, which
   * spares a read of it.
   */
  compareNow?: boolean;
  io: StepIo;
}

/** The one file that a disk is, when it can be used where it lies. */
function inPlace({ pieces, gzip }: PackageDisk): PackagePiece | undefined {
  return pieces.length === 1 && !gzip ? pieces[0] : undefined;
}

/** What can be known of a package's disks without their content: of those that have to be unpacked, by the descriptor. */
export async function describeDisks(
  pack: OvfPackage,
  io: StepIo,
): Promise<{ disks: AcquiredDisk[]; remoteDisks: RemoteDisk[]; findings: Finding[] }> {
  const disks: AcquiredDisk[] = [];
  const findings: Finding[] = [];
  for (const disk of pack.disks) {
    const piece = inPlace(disk);
    if (piece === undefined) continue;
    io.report(`reading the headers of ${disk.name}`);
    const opened = await openInPlace(disk, piece, io);
    disks.push(opened);
    findings.push(...capacityFinding(disk, opened));
  }
  const remoteDisks = pack.disks.filter((disk) => inPlace(disk) === undefined).map(toUnpack);
  return { disks, remoteDisks, findings };
}

/** A disk of a package as the descriptor has it. @throws LonghaulError OVF_INVALID for a blank one of unknown size */
export function toUnpack(disk: PackageDisk): RemoteDisk {
  const { index, name, pieces, capacity } = disk;
  if (pieces.length === 0) return { index, name, virtualSizeBytes: blankBytes(disk), dataBytes: 0 };
  return { index, name, virtualSizeBytes: capacity?.bytes ?? storedBytesOf(disk) };
}

/**
 * Brings the disks of a package about: those that can be are opened where they lie, the others are unpacked, within
 * limits that hold for all of them together. What has a digest is compared with it, or brings it along; see
 * AcquireOptions.
 *
 * @throws LonghaulError as `compareContent`, `unpackDisk` and `openDisk` do; SOURCE_CHANGED
 */
export async function acquireDisks(pack: OvfPackage, options: AcquireOptions): Promise<AcquiredDisk[]> {
  const { archive } = pack;
  const pieces = pack.disks.flatMap((disk) => disk.pieces);
  const budget = new ArchiveBudget(archive, storedBytesOf({ pieces }), options.limits);
  const acquire = async (disk: PackageDisk, io: StepIo) => {
    const acquired = await acquireDisk(disk, archive, budget, { ...options, io });
    const findings = capacityFinding(disk, acquired);
    return findings.length === 0 ? acquired : { ...acquired, findings };
  };
  const disks = await sideBySide(pack.disks, options.io, acquire, disksAtOnce);
  await assertUnchanged(pieces.flatMap(({ identity }) => identity ?? []));
  return disks;
}

async function acquireDisk(
  disk: PackageDisk,
  archive: string,
  budget: ArchiveBudget,
  options: AcquireOptions,
): Promise<AcquiredDisk> {
  const { work, io } = options;
  const { index } = disk;
  const piece = inPlace(disk);
  if (piece !== undefined) return compared(await openInPlace(disk, piece, io), piece, options);
  if (disk.pieces.length === 0) {
    const path = await makeBlankDisk(disk, blankBytes(disk), work);
    return openDisk(index, { path, format: 'raw' }, io.signal);
  }
  const path = await unpackDisk({ archive, disk, budget, work, io });
  return openDisk(index, { path, alone: true }, io.signal);
}

/** A disk that is used where it lies, compared with its digest or to be. */
async function compared(
  disk: AcquiredDisk,
  { digest, digests, ...piece }: PackagePiece,
  { compareNow = false, io }: AcquireOptions,
): Promise<AcquiredDisk> {
  if (digest === undefined) return disk;
  const known = digests?.[digest.algorithm];
  if (known !== undefined) requireDigest(piece, digest, known);
  else if (!compareNow) return { ...disk, digest };
  else await compareContent(piece, digest, disk.index, io);
  return disk;
}

function openInPlace(disk: PackageDisk, { path, window }: PackagePiece, io: StepIo): Promise<AcquiredDisk> {
  // Alone: what else it may name is not in the manifest.
  return openDisk(disk.index, { path, window, alone: true }, io.signal);
}

/** Whole MiB, as all that makes disks counts. */
function blankBytes({ name, capacity }: PackageDisk): number {
  if (capacity !== undefined && capacity.bytes > maxVirtualBytes) throw tooLarge(name, capacity.bytes);
  if (capacity !== undefined && capacity.bytes > 0) return Math.ceil(capacity.bytes / MiB) * MiB;
  throw new LonghaulError('OVF_INVALID', {
    found: `${name} has no content and no capacity`,
    remedy: 'Export the VM again, or take that disk out of the descriptor.',
  });
}

/**
 * Capacities are whole numbers of a unit (DSP0243, 9.1). VirtualBox counts in bytes, VMware in bytes, MiB or GiB, oVirt
 * in GiB also what is not a whole number of them. Images are rounded as well, to sectors and at most to a cylinder of
 * less than a MiB.
 */
function capacityFinding({ name, capacity }: PackageDisk, { virtualSizeBytes }: AcquiredDisk): Finding[] {
  if (capacity === undefined) return [];
  const roundedBytes = Math.min(Math.max(capacity.unitBytes, MiB), 1024 * MiB);
  if (Math.abs(capacity.bytes - virtualSizeBytes) < roundedBytes) return [];
  return [
    warning(
      'capacity-differs',
      `${name} is a disk of ${exactly(virtualSizeBytes)}, and its descriptor says ${exactly(capacity.bytes)}`,
      'The image counts. See that it is the disk you mean.',
    ),
  ];
}

const exactly = (bytes: number): string => `${formatBytes(bytes)} (${bytes} bytes)`;
