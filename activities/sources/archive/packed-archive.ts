import { join } from 'node:path';
import { info } from '../../../contracts/findings.ts';
import type { ArchiveSourceSpec } from '../../../contracts/spec.ts';
import type { AcquiredDisk, FileIdentity, Finding, RemoteDisk } from '../../../contracts/values.ts';
import { extract, type ExtractJob } from '../../archive/extract.ts';
import { extractDisks } from '../../archive/extract-disks.ts';
import { diskHeadBytes, diskOf, isDescriptorName } from '../../archive/find-disks.ts';
import { kindBytes, kindOfHead } from '../../archive/kinds.ts';
import { ArchiveBudget, type ArchiveLimits } from '../../archive/limits.ts';
import type { OpenMember } from '../../archive/members.ts';
import { readMembers } from '../../archive/read-members.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import { resolvePath } from '../../image/chain.ts';
import { factsOfHead } from '../../image/formats/head.ts';
import { ImageFile } from '../../image/formats/image-file.ts';
import { openDisk } from '../../image/open-disk.ts';
import type { ArchiveDescription } from './archive-source.ts';
import { leftOutFindings } from './loose-disks.ts';
import { readDescriptor } from './ovf/descriptor.ts';
import { maxDescriptorBytes } from './ovf/xml.ts';
import { acquireDisks, type AcquireOptions } from './ovf-disks.ts';
import { manifestIgnored, openPackage, vmFindings } from './ovf-package.ts';
import { directoryPackage } from './package-files.ts';

/** Archives whose members cannot be used where they lie: compressed ones, zips, tars with sparse files. */

type Reading = { limits: ArchiveLimits; signal: AbortSignal };

/** How an archive begins: with a descriptor, or with what is a disk or may become one. */
type Beginning = { descriptor: string; bytes: Buffer } | { disk: RemoteDisk; descriptor?: undefined };

/** @returns undefined when it has neither */
async function beginningOf(path: string, { limits, signal }: Reading): Promise<Beginning | undefined> {
  const { archiveBytes, isStream } = await ImageFile.with(path, async (file) => ({
    archiveBytes: file.sizeBytes,
    isStream: kindOfHead(await file.peek(0, kindBytes)).compression !== 'none',
  }));
  const budget = new ArchiveBudget(path, archiveBytes, limits);
  let beginning: Beginning | undefined;
  for await (const member of readMembers({ path, budget, signal, onSkipped: () => undefined })) {
    if (isDescriptorName(member.name)) return { descriptor: member.name, bytes: await startOf(member) };
    const head = await member.head(diskHeadBytes);
    const { compression, container } = kindOfHead(head);
    if (diskOf(member, head) === undefined && compression === 'none' && container === 'none') continue;
    const virtualSizeBytes = factsOfHead(head).virtualSizeBytes ?? member.sizeBytes ?? archiveBytes;
    beginning ??= { disk: { index: 0, name: `${path}: ${member.name}`, virtualSizeBytes } };
    // To look behind a disk is cheap where it need not be unpacked for that.
    if (isStream) break;
  }
  return beginning;
}

/** As much as a descriptor may have, and a byte more. */
async function startOf(member: OpenMember): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of member.body()) {
    pieces.push(Buffer.from(piece));
    bytes += piece.length;
    if (bytes > maxDescriptorBytes) break;
  }
  return Buffer.concat(pieces);
}

/** What the beginning says. What comes behind is known once it was unpacked. */
export async function describePacked(
  path: string,
  source: ArchiveSourceSpec,
  reading: Reading,
): Promise<ArchiveDescription> {
  const beginning = await beginningOf(path, reading);
  if (beginning?.descriptor !== undefined) {
    const vm = readDescriptor(beginning.bytes, beginning.descriptor, source.system);
    const remoteDisks = vm.disks.map(({ id, capacity, file }, index): RemoteDisk => {
      const name = `${path}: ${file?.href ?? id}`;
      return { index, name, virtualSizeBytes: capacity?.bytes ?? file?.sizeBytes ?? 0 };
    });
    const findings = source.verify ? [] : [manifestIgnored(path)];
    return { vm, remoteDisks, findings: [...findings, ...vmFindings({ archive: path, skipped: [] }, vm)] };
  }
  const later = info(
    'known-once-unpacked',
    `${path} has to be unpacked: which disks it holds, and how large they are, is known for sure then`,
    'CPUs, memory and network cards are taken from the spec, even if a descriptor comes behind the disk. Pack that first.',
  );
  return { remoteDisks: beginning === undefined ? [] : [beginning.disk], findings: [later] };
}

/**
 * Unpacks what belongs to the VM, and opens its disks.
 *
 * @param archive from before anything of it was read
 * @throws LonghaulError as `extract`, `extractDisks`, `openPackage`, `acquireDisks` and `openDisk` do
 */
export async function acquirePacked(
  archive: FileIdentity,
  source: ArchiveSourceSpec,
  options: AcquireOptions,
): Promise<AcquiredDisk[]> {
  const { path } = archive;
  const { work, limits, io } = options;
  const job = { path, directory: join(await resolvePath(work.scratch), 'archive'), limits, io };
  const note = join(work.scratch, 'descriptor.json');
  const beginning = await beginningOf(path, { limits, signal: io.signal });
  const descriptor = beginning?.descriptor ?? (await notedDescriptor(note, archive));
  if (descriptor !== undefined) return acquirePackage(descriptor, job, source, options);
  const found = await extractDisks(job, source.disks);
  if (found.descriptor !== undefined) {
    await replaceFile(note, JSON.stringify({ archive, descriptor: found.descriptor }));
    return acquirePackage(found.descriptor, job, source, options);
  }
  const disks = found.disks.map((disk, index) => openDisk(index, { path: disk.path }, io.signal));
  return withFindings(await Promise.all(disks), leftOutFindings(path, found));
}

/** Of what was found out about the archive its first disk tells. */
function withFindings([first, ...others]: AcquiredDisk[], findings: readonly Finding[]): AcquiredDisk[] {
  if (first === undefined) return [];
  if (findings.length === 0) return [first, ...others];
  return [{ ...first, findings: [...findings, ...(first.findings ?? [])] }, ...others];
}

/** What was found behind the disks of this archive: when the step is repeated they are not extracted for themselves again. */
async function notedDescriptor(note: string, archive: FileIdentity): Promise<string | undefined> {
  const noted = JSON.parse((await readIfThere(note)) ?? '{}') as { archive?: unknown; descriptor?: string };
  return JSON.stringify(noted.archive) === JSON.stringify(archive) ? noted.descriptor : undefined;
}

async function acquirePackage(
  descriptor: string,
  job: Pick<ExtractJob, 'path' | 'directory' | 'limits' | 'io'>,
  source: ArchiveSourceSpec,
  options: AcquireOptions,
): Promise<AcquiredDisk[]> {
  // As they are: the descriptor speaks of its files so.
  const { members } = await extract({ ...job, want: () => 'write', purpose: 'an OVF package' });
  const digests = new Map(members.map(({ file, stored }) => [file?.path, stored.digests]));
  const file = members.find(({ name }) => name === descriptor)?.file?.path ?? job.path;
  const files = await directoryPackage(file, (each) => digests.get(each));
  const pack = await openPackage({ ...files, archive: job.path }, source);
  return withFindings(await acquireDisks(pack, options), pack.findings);
}
