import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { hasErrno, LonghaulError } from '../../../contracts/errors.ts';
import type { FileIdentity, ImageWindow } from '../../../contracts/values.ts';
import type { Digests } from '../../archive/digests.ts';
import { isDescriptorName } from '../../archive/find-disks.ts';
import type { SkippedMember, TarMember } from '../../archive/members.ts';
import type { TarIndex } from '../../archive/tar-index.ts';
import { contentBytes } from '../../image/content-digest.ts';
import { Enclosure } from '../../image/enclosure.ts';
import { sourceFileError } from '../../image/errors.ts';
import { identityOf } from '../../image/identity.ts';

/** A file of a package, wherever it lies. */
export interface PackageFile {
  /** As the descriptor and the manifest call it: relative to the descriptor. */
  name: string;
  path: string;
  sizeBytes: number;
  /** Of a member of a tar. */
  window?: ImageWindow;
  /** Of one in a directory, from before anything of it was read. */
  identity?: FileIdentity;
  /** Of its bytes as they lay in the archive that it was extracted from. */
  digests?: Digests;
}

/** The files of an OVF package: in a tar, which is an OVA, or in a directory. */
export interface PackageFiles {
  /** For people. */
  archive: string;
  descriptor: PackageFile;
  /** Names of the files beside the descriptor. */
  names: readonly string[];
  /** Undefined when there is none of that name. @throws LonghaulError ARCHIVE_UNSUPPORTED, IMAGE_REFERENCE_OUTSIDE */
  find: (name: string) => Promise<PackageFile | undefined>;
  /** The first bytes of a file, as many as there are. */
  read: (file: PackageFile, count: number) => Promise<Buffer>;
  skipped: readonly SkippedMember[];
}

/**
 * The package in a tar; undefined when no descriptor is in it.
 *
 * @param path of the tar, for people where it lies elsewhere
 * @throws LonghaulError ARCHIVE_AMBIGUOUS for several descriptors, ARCHIVE_UNSUPPORTED
 */
export async function tarPackage(
  path: string,
  { members, skipped }: TarIndex,
  read: PackageFiles['read'] = readLocal,
): Promise<PackageFiles | undefined> {
  const name = onlyDescriptor(
    path,
    members.map((member) => member.name),
  );
  if (name === undefined) return undefined;
  const directory = posix.dirname(name);
  const files = new Map(members.map((member) => [posix.relative(directory, member.name), member]));
  const names = new Names(files.keys());
  const find = (wanted: string) => {
    const found = names.meantBy(wanted).find((one) => files.has(one));
    const member = found === undefined ? undefined : files.get(found);
    return Promise.resolve(
      found === undefined || member === undefined ? undefined : inTar(path, found, member),
    );
  };
  const descriptor = await find(posix.basename(name));
  if (descriptor === undefined) return undefined;
  return { archive: path, descriptor, names: [...files.keys()], find, read, skipped };
}

function inTar(path: string, name: string, { sizeBytes, dataOffset, isSparse }: TarMember): PackageFile {
  if (isSparse)
    throw new LonghaulError('ARCHIVE_UNSUPPORTED', {
      found: `${name} is stored in ${path} as a sparse file, which other programs do not take in an OVA either`,
      remedy: 'Pack it without --sparse: tar --format=ustar -cf.',
    });
  return { name, path, sizeBytes, window: { name, offset: dataOffset, sizeBytes } };
}

/**
 * The package that lies unpacked in a directory.
 *
 * @param path of its descriptor, or of a directory with one
 * @param digestsOf what is known of a file by its path
 * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE; ARCHIVE_AMBIGUOUS for several descriptors
 */
export async function directoryPackage(
  path: string,
  digestsOf: (path: string) => Digests | undefined = () => undefined,
): Promise<PackageFiles> {
  try {
    const isDirectory = (await stat(path)).isDirectory();
    const directory = isDirectory ? path : dirname(path);
    const names = await readdir(directory);
    const name = isDirectory ? onlyDescriptor(path, names) : basename(path);
    const known = new Names(names);
    const find = async (wanted: string) => {
      const file = await inDirectory(join(directory, name ?? ''), known.meantBy(wanted));
      const digests = file && digestsOf(file.path);
      return digests ? { ...file, digests } : file;
    };
    const descriptor = name === undefined ? undefined : await find(name);
    if (descriptor === undefined)
      throw new LonghaulError('SOURCE_NOT_FOUND', {
        found: `there is no OVF descriptor (.ovf) in ${directory}`,
        remedy: 'Name the directory that an OVF export was written to, or an archive.',
      });
    return { archive: path, descriptor, names, find, read: readLocal, skipped: [] };
  } catch (error) {
    throw sourceFileError(path, error);
  }
}

async function inDirectory(descriptor: string, names: readonly string[]): Promise<PackageFile | undefined> {
  for (const name of names) {
    try {
      // Links are followed, and have to lead to where the package lies.
      const path = await new Enclosure(dirname(descriptor)).resolve(descriptor, name);
      const identity = await identityOf(path);
      return { name, path, sizeBytes: identity.sizeBytes, identity };
    } catch (error) {
      if (!(error instanceof LonghaulError && isNotThere(error.cause))) throw error;
    }
  }
  return undefined;
}

/** Of a name that no file can have there is no file either. */
const isNotThere = (cause: unknown): boolean => hasErrno(cause, 'ENOENT') || hasErrno(cause, 'ENAMETOOLONG');

function onlyDescriptor(archive: string, names: readonly string[]): string | undefined {
  const descriptors = names.filter(isDescriptorName);
  if (descriptors.length < 2) return descriptors[0];
  throw new LonghaulError('ARCHIVE_AMBIGUOUS', {
    found: `${archive} has ${descriptors.length} descriptors: ${descriptors.join(', ')}`,
    remedy: 'Unpack it, and name the descriptor that is meant in source.path.',
    details: { descriptors },
  });
}

/** The names of a package's files. */
class Names {
  readonly #byLowerCase = new Map<string, string[]>();

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const alike = this.#byLowerCase.get(name.toLowerCase());
      if (alike === undefined) this.#byLowerCase.set(name.toLowerCase(), [name]);
      else alike.push(name);
    }
  }

  /** What may be meant by a name: itself, what its escapes stand for, and what differs from it in case only. */
  meantBy(wanted: string): string[] {
    const plain = [wanted, ...decoded(wanted)].map((name) => posix.normalize(name));
    const alike = plain.flatMap((name) => this.#byLowerCase.get(name.toLowerCase()) ?? []);
    return [...new Set([...plain, ...alike])];
  }
}

function decoded(href: string): string[] {
  try {
    const name = decodeURIComponent(href);
    return /\0|\\|^\/|(^|\/)\.\.(\/|$)/.test(name) ? [] : [name];
  } catch {
    return [];
  }
}

/** All of a small file. @throws LonghaulError OVF_INVALID when it is larger; SOURCE_UNREADABLE */
export async function readSmall(files: PackageFiles, file: PackageFile, maxBytes: number): Promise<Buffer> {
  if (file.sizeBytes <= maxBytes) return files.read(file, file.sizeBytes);
  throw new LonghaulError('OVF_INVALID', {
    found: `${file.name} in ${file.path} has ${file.sizeBytes} bytes, more than any of its kind`,
    remedy: 'Export the VM again.',
  });
}

async function readLocal(file: PackageFile, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sizeBytes = Math.min(count, file.sizeBytes);
  for await (const piece of contentBytes({ ...file, sizeBytes })) pieces.push(piece);
  return Buffer.concat(pieces);
}
