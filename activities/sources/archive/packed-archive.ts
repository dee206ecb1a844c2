import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { info } from '../../../contracts/findings.ts';
import type { ArchiveSourceSpec } from '../../../contracts/spec.ts';
import type { AcquiredDisk, RemoteDisk } from '../../../contracts/values.ts';
import { type Extracted, extract, type ExtractJob, headBytes } from '../../archive/extract.ts';
import { chooseDisks, diskOf } from '../../archive/find-disks.ts';
import { kindOfHead } from '../../archive/kinds.ts';
import { ArchiveBudget, type ArchiveLimits } from '../../archive/limits.ts';
import type { OpenMember } from '../../archive/members.ts';
import { readMembers } from '../../archive/read-members.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { factsOfHead } from '../../image/formats/head.ts';
import { ImageFile } from '../../image/formats/image-file.ts';
import { openDisk } from '../../image/open-disk.ts';
import type { Described } from '../source.ts';
import { looseDisks } from './loose-disks.ts';
import { type OvfVm, readDescriptor } from './ovf/descriptor.ts';
import { maxDescriptorBytes } from './ovf/xml.ts';
import { acquireDisks } from './ovf-disks.ts';
import { openPackage } from './ovf-package.ts';
import { directoryPackage } from './package-files.ts';

/** Archives whose members cannot be used where they lie: compressed ones, zips, sparse files. */

export interface PackedDescription extends Pick<Described, 'remoteDisks' | 'findings'> {
  vm?: OvfVm;
}

/**
 * What the beginning says: a descriptor if there is one before the first disk, else that disk. What comes behind is
 * known once it was unpacked.
 */
export async function describePacked(
  path: string,
  source: ArchiveSourceSpec,
  limits: ArchiveLimits,
  io: StepIo,
): Promise<PackedDescription> {
  const { size } = await stat(path);
  const job = {
    path,
    budget: new ArchiveBudget(path, size, limits),
    signal: io.signal,
    onSkipped: () => undefined,
  };
  for await (const member of readMembers(job)) {
    if (isDescriptor(member.name)) return describedBy(path, await bodyOf(member), source);
    const head = await member.head(headBytes);
    const isDisk = diskOf(member, head) !== undefined || kindOfHead(head).compression !== 'none';
    if (isDisk) return describedBySight(path, member, head, size);
  }
  chooseDisks(path, [], source.disks);
  return {};
}

function describedBy(path: string, bytes: Buffer, source: ArchiveSourceSpec): PackedDescription {
  const vm = readDescriptor(bytes, path, source.system);
  const remoteDisks = vm.disks.map(({ id, capacityBytes, file }, index): RemoteDisk => {
    const name = `${path}: ${file?.href ?? id}`;
    return { index, name, virtualSizeBytes: capacityBytes ?? file?.sizeBytes ?? 0 };
  });
  return { vm, remoteDisks };
}

function describedBySight(
  path: string,
  member: OpenMember,
  head: Buffer,
  archiveBytes: number,
): PackedDescription {
  const virtualSizeBytes = factsOfHead(head).virtualSizeBytes ?? member.sizeBytes ?? archiveBytes;
  const name = `${path}: ${member.name}`;
  return {
    remoteDisks: [{ index: 0, name, virtualSizeBytes }],
    findings: [
      info(
        'unpacked-later',
        `${path} has to be unpacked: what lies behind ${member.name}, and how large the disk really is, is known then`,
        'CPUs, memory and network cards are taken from the spec.',
      ),
    ],
  };
}

/**
 * Unpacks what may belong to the VM, and opens its disks.
 *
 * @throws LonghaulError as `extract`, `openPackage`, `acquireDisks`, `chooseDisks` and `openDisk` do
 */
export async function acquirePacked(
  path: string,
  source: ArchiveSourceSpec,
  options: { work: WorkDir; limits: ArchiveLimits; io: StepIo },
): Promise<AcquiredDisk[]> {
  const { work, limits, io } = options;
  const directory = join(work.scratch, 'archive');
  const extracted = await extract({ path, directory, limits, want: wishes(), purpose: 'disks of a VM', io });
  const files = filesOf(extracted);
  const descriptor = files.find(({ name }) => isDescriptor(name));
  if (descriptor !== undefined) {
    const digests = new Map(files.map((file) => [file.path, file.digests]));
    const pack = await directoryPackage(descriptor.path, (each) => digests.get(each));
    return acquireDisks(await openPackage(pack, source), options);
  }
  const disks = await looseDisks(path, files, source.disks, (file, count) =>
    ImageFile.with(file.path, (image) => image.peek(0, count)),
  );
  if (disks.length === 0) chooseDisks(path, [], source.disks);
  return Promise.all(
    disks.map(({ index, member }) => openDisk(index, { path: member.path, alone: true }, io.signal)),
  );
}

const filesOf = ({ members }: Extracted) =>
  members.flatMap(({ name, file, stored }) =>
    file === undefined ? [] : { name, path: file.path, sizeBytes: file.sizeBytes, digests: stored.digests },
  );

/**
 * A package is written as it is, because its descriptor speaks of its files as they are; without one, what is
 * compressed is unpacked, and all that is no disk is left out.
 */
function wishes(): ExtractJob['want'] {
  let inPackage = false;
  return ({ name, head, kind, ...member }) => {
    if (isDescriptor(name)) inPackage = true;
    if (inPackage || /\.(mf|cert)$/i.test(name)) return 'write';
    if (kind.compression !== 'none' || kind.container !== 'none') return 'unpack';
    return diskOf({ name, ...member }, head) === undefined ? 'skip' : 'write';
  };
}

const isDescriptor = (name: string): boolean => /\.ovf$/i.test(name);

async function bodyOf(member: OpenMember): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of member.body()) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > maxDescriptorBytes) break;
  }
  return Buffer.concat(pieces);
}
