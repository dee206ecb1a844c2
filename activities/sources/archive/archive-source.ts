import { stat } from 'node:fs/promises';
import type { ErrorCode } from '../../../contracts/error-codes.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { ArchiveSourceSpec } from '../../../contracts/spec.ts';
import type { AcquiredDisk, FileIdentity, SourceVm } from '../../../contracts/values.ts';
import { kindBytes, kindOfHead } from '../../archive/kinds.ts';
import { ArchiveBudget, type ArchiveLimits, defaultLimits } from '../../archive/limits.ts';
import type { TarMember } from '../../archive/members.ts';
import { listTar } from '../../archive/tar-index.ts';
import { withFileLock } from '../../host/file-lock.ts';
import type { StepIo } from '../../host/step-io.ts';
import { resolvePath } from '../../image/chain.ts';
import { sourceFileError } from '../../image/errors.ts';
import { ImageFile } from '../../image/formats/image-file.ts';
import { assertUnchanged, identityOf } from '../../image/identity.ts';
import { openDisk } from '../../image/open-disk.ts';
import { askAgain, fetchDisk } from '../../transfer/fetched-disk.ts';
import { Room } from '../../transfer/room.ts';
import { generatedMac } from '../mac.ts';
import type { Described, Source, SourceDeps, SourceRequest } from '../source.ts';
import { WebDisk } from '../web-disk.ts';
import { describeWebArchive } from './describe-web-archive.ts';
import { looseDisks } from './loose-disks.ts';
import type { OvfVm } from './ovf/descriptor.ts';
import { acquireDisks, type AcquireOptions, describeDisks } from './ovf-disks.ts';
import { openPackage } from './ovf-package.ts';
import { acquirePacked, describePacked } from './packed-archive.ts';
import { directoryPackage, type PackageFiles, tarPackage } from './package-files.ts';

/** What is known before the VM's facts are put together with the spec's. */
export type ArchiveDescription = Partial<Omit<Described, 'vm'>> & { vm?: OvfVm };

/**
 * VMs in archives: OVF packages as .ova or in a directory, tar and zip with disks inside, compressed disks. What is
 * not compressed is used where it lies.
 */
export function createArchiveSource(deps: SourceDeps): Source<'archive'> {
  return {
    kind: 'archive',

    async describe(request, io) {
      const { source } = request;
      const limits = limitsFor(source);
      const {
        vm,
        disks = [],
        ...rest
      } = source.url === undefined
        ? await describeLocal(source, await resolvePath(source.path ?? ''), limits, io)
        : await describeWebArchive(source, source.url, { deps, limits, io });
      return { vm: vmOf(request, vm), disks, ...rest };
    },

    async acquire(request, work, io) {
      const { source } = request;
      await work.create();
      return withFileLock(work.lock('archive'), io.signal, async () => {
        const options = { work, limits: limitsFor(source), io };
        if (source.url === undefined)
          return acquireLocal(source, await resolvePath(source.path ?? ''), options);
        const { path, transfer } = await fetchArchive(request, source.url, options, deps);
        // What was fetched is compared while it can be fetched anew.
        const disks = await acquireLocal(source, path, { ...options, compareNow: true }).catch(
          async (error: unknown) => {
            // Somebody may put a better one there before the next try.
            if (error instanceof LonghaulError && ofBytes.includes(error.code)) await askAgain(work, 0);
            throw error;
          },
        );
        return disks.map((disk) => (disk.index === 0 ? { ...disk, transfer } : disk));
      });
    },
  };
}

/** The bytes that were fetched are to blame. */
const ofBytes: readonly ErrorCode[] = [
  'ARCHIVE_CHECKSUM',
  'ARCHIVE_DAMAGED',
  'ARCHIVE_HOSTILE',
  'ARCHIVE_INCOMPLETE',
  'ARCHIVE_UNSUPPORTED',
  'IMAGE_CORRUPT',
  'IMAGE_TRUNCATED',
  'OVF_INVALID',
  'OVF_UNSUPPORTED',
];

function limitsFor({ limits }: ArchiveSourceSpec): ArchiveLimits {
  const given = Object.entries(limits).filter((entry) => typeof entry[1] === 'number');
  return { ...defaultLimits, ...Object.fromEntries(given) };
}

/** What of the spec is given has the last word. */
function vmOf({ name, source }: SourceRequest<'archive'>, vm: OvfVm | undefined): SourceVm {
  const cpus = source.cpus ?? vm?.cpus;
  const memoryMiB = source.memoryMiB ?? vm?.memoryMiB;
  const nics: { mac?: string | undefined; network: string }[] = source.nics ??
    vm?.nics ?? [{ network: 'default' }];
  return {
    name,
    nics: nics.map(({ mac, network }, index) => ({ mac: mac ?? generatedMac(name, index), network })),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(vm?.firmware === undefined ? {} : { firmware: vm.firmware }),
  };
}

/** What an archive on this host is. The identity is the archive's from before anything of it was read. */
type Contents =
  | { kind: 'package'; files: PackageFiles; identity?: FileIdentity }
  | { kind: 'tar'; members: TarMember[]; identity: FileIdentity }
  | { kind: 'packed'; identity: FileIdentity };

/** @param path with every link followed: that the file was changed is not to be seen of a link to it */
async function contentsOf(path: string, limits: ArchiveLimits, io: StepIo): Promise<Contents> {
  const identity = await identityOf(path);
  io.report(`reading ${path}`);
  if (/\.ovf$/i.test(path) || (await isDirectory(path)))
    return { kind: 'package', files: await directoryPackage(path) };
  const { head, sizeBytes } = await ImageFile.with(path, async (file) => ({
    head: await file.peek(0, kindBytes),
    sizeBytes: file.sizeBytes,
  }));
  const { container, compression } = kindOfHead(head);
  if (container === 'none' && compression === 'none')
    throw new LonghaulError('ARCHIVE_UNSUPPORTED', {
      found: `${path} is neither an archive nor compressed`,
      remedy: 'For a disk image set source.kind to image and name it in source.disks.',
      details: { path },
    });
  if (container !== 'tar') return { kind: 'packed', identity };
  const index = await listTar(path, new ArchiveBudget(path, sizeBytes, limits), io.signal);
  const files = await tarPackage(path, index);
  if (files === undefined) return { kind: 'tar', members: index.members, identity };
  return { kind: 'package', files, identity };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw sourceFileError(path, error);
  }
}

async function describeLocal(
  source: ArchiveSourceSpec,
  path: string,
  limits: ArchiveLimits,
  io: StepIo,
): Promise<ArchiveDescription> {
  const contents = await contentsOf(path, limits, io);
  if (contents.kind === 'package') {
    const pack = await openPackage(contents.files, source);
    const { disks, remoteDisks, findings } = await describeDisks(pack, io);
    return { vm: pack.vm, disks, remoteDisks, findings: [...pack.findings, ...findings] };
  }
  const loose = contents.kind === 'tar' ? await openLoose(source, path, contents.members, io) : undefined;
  return loose ?? describePacked(path, source, { limits, signal: io.signal });
}

async function acquireLocal(
  source: ArchiveSourceSpec,
  path: string,
  options: AcquireOptions,
): Promise<AcquiredDisk[]> {
  const contents = await contentsOf(path, options.limits, options.io);
  const disks = await acquireContents(contents, source, options);
  // Of another file the offsets that were found would be wrong.
  if (contents.identity !== undefined) await assertUnchanged([contents.identity]);
  return disks;
}

async function acquireContents(
  contents: Contents,
  source: ArchiveSourceSpec,
  options: AcquireOptions,
): Promise<AcquiredDisk[]> {
  if (contents.kind === 'package') return acquireDisks(await openPackage(contents.files, source), options);
  const { identity } = contents;
  const loose =
    contents.kind === 'tar'
      ? await openLoose(source, identity.path, contents.members, options.io)
      : undefined;
  return loose?.disks ?? acquirePacked(identity, source, options);
}

/** The disks of a tar without a descriptor; undefined when they cannot be used where they lie. */
async function openLoose(
  source: ArchiveSourceSpec,
  path: string,
  members: readonly TarMember[],
  io: StepIo,
): Promise<(Pick<ArchiveDescription, 'findings'> & { disks: AcquiredDisk[] }) | undefined> {
  const windowOf = ({ name, dataOffset, sizeBytes }: TarMember) => ({ name, offset: dataOffset, sizeBytes });
  const found = await looseDisks(path, members, source.disks, (member, count) =>
    ImageFile.with(path, (file) => file.peek(0, count), windowOf(member)),
  );
  if (found === undefined) return undefined;
  const disks = found.disks.map(({ index, member }) =>
    openDisk(index, { path, window: windowOf(member) }, io.signal),
  );
  return { disks: await Promise.all(disks), findings: found.findings };
}

async function fetchArchive(
  request: SourceRequest<'archive'>,
  url: string,
  { work, io }: AcquireOptions,
  deps: SourceDeps,
): ReturnType<typeof fetchDisk> {
  const archive = await WebDisk.of(url, deps);
  return fetchDisk({
    work,
    index: 0,
    name: archive.name,
    open: () => archive.open(io.signal),
    connections: deps.transfer.connections,
    limits: [...deps.transfer.limits, ...(request.limits ?? [])],
    room: new Room(),
    io,
  });
}
