import { createHash } from 'node:crypto';
import { LonghaulError } from '../../../contracts/errors.ts';
import { info, warning } from '../../../contracts/findings.ts';
import { formatBytes } from '../../../contracts/units.ts';
import type { ContentDigest, Finding } from '../../../contracts/values.ts';
import { checkRemedy, requireDigest } from '../../image/content-digest.ts';
import { certificateFinding, maxCertificateBytes } from './ovf/certificate.ts';
import { type Capacity, type OvfDisk, type OvfVm, readDescriptor } from './ovf/descriptor.ts';
import { type Manifest, maxManifestBytes, parseManifest } from './ovf/manifest.ts';
import { maxDescriptorBytes } from './ovf/xml.ts';
import { type PackageFile, type PackageFiles, readSmall } from './package-files.ts';

/** An OVF package that was looked into: its descriptor read, its files found, its manifest understood. */
export interface OvfPackage {
  archive: string;
  vm: OvfVm;
  /** In guest order. */
  disks: PackageDisk[];
  findings: Finding[];
}

export interface PackageDisk {
  index: number;
  /** For people. */
  name: string;
  capacity?: Capacity;
  /** One behind the other; none when the disk is empty. */
  pieces: PackagePiece[];
  gzip: boolean;
}

export interface PackagePiece extends PackageFile {
  /** What its bytes have to give, where a manifest says so and is to be followed. */
  digest?: ContentDigest;
}

/** Of its pieces, as they lie in the package. */
export function storedBytesOf({ pieces }: Pick<PackageDisk, 'pieces'>): number {
  return pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/**
 * Looks into a package; of its disks only whether they are there.
 *
 * @param wishes.system see `readDescriptor`
 * @param wishes.verify whether what is read has to be what a manifest says
 * @throws LonghaulError as `readDescriptor` and `parseManifest` do; ARCHIVE_INCOMPLETE, ARCHIVE_CHECKSUM; OVF_INVALID
 *   when one file is to be two disks
 */
export async function openPackage(
  files: PackageFiles,
  wishes: { system?: string | undefined; verify: boolean },
): Promise<OvfPackage> {
  const { archive, descriptor } = files;
  const bytes = await readSmall(files, descriptor, maxDescriptorBytes);
  const { manifest, findings } = await readManifest(files, wishes.verify);
  const digests = manifest && (await digestsOf(files, manifest));
  if (digests !== undefined) requireSame(descriptor, digestIn(digests, descriptor.name), bytes);
  const vm = readDescriptor(bytes, descriptor.name, wishes.system);
  const disks: PackageDisk[] = [];
  for (const [index, disk] of vm.disks.entries()) {
    const pieces = (await piecesOf(files, disk)).map((piece): PackagePiece =>
      digests === undefined ? piece : { ...piece, digest: digestIn(digests, piece.name) },
    );
    const { capacity, file } = disk;
    const name = file === undefined ? `the blank disk ${disk.id}` : `${archive}: ${file.href}`;
    disks.push({
      index,
      name,
      pieces,
      gzip: file?.gzip === true,
      ...(capacity === undefined ? {} : { capacity }),
    });
  }
  requireOnce(disks, descriptor.name);
  return { archive, vm, disks, findings: [...findings, ...vmFindings(files, vm)] };
}

async function readManifest(
  files: PackageFiles,
  verify: boolean,
): Promise<{ manifest: Manifest | undefined; findings: Finding[] }> {
  const { archive, descriptor, names, find } = files;
  const beside = async (ending: string) => {
    const same = descriptor.name.replace(/\.ovf$/i, ending);
    const others = names.filter((name) => name.toLowerCase().endsWith(ending) && !name.includes('/'));
    return (await find(same)) ?? (others.length === 1 ? await find(others[0] ?? '') : undefined);
  };
  const [file, certificate] = [await beside('.mf'), await beside('.cert')];
  const bytes = file && (await readSmall(files, file, maxManifestBytes));
  const findings: Finding[] = [];
  if (certificate !== undefined) {
    const text = (await readSmall(files, certificate, maxCertificateBytes)).toString('latin1');
    findings.push(certificateFinding(certificate.name, text, bytes));
  }
  if (file === undefined || bytes === undefined) {
    const remedy = 'What it holds is taken as it is; where its maker gives a checksum, compare it.';
    return {
      manifest: undefined,
      findings: [...findings, info('no-manifest', `${archive} has no manifest`, remedy)],
    };
  }
  if (verify) return { manifest: parseManifest(bytes.toString('utf8'), file.name), findings };
  return { manifest: undefined, findings: [...findings, manifestIgnored(archive)] };
}

export function manifestIgnored(archive: string): Finding {
  return warning(
    'manifest-ignored',
    `the spec says that ${archive} is not to be compared with its manifest`,
    'A disk that was damaged or changed on its way is not noticed. Set source.verify to true where you can.',
  );
}

/**
 * The digests by the names that the files really have. A manifest that speaks of what is not there was not made for
 * this package, or the package is incomplete.
 */
async function digestsOf({ archive, find }: PackageFiles, manifest: Manifest): Promise<Manifest> {
  const digests = new Map<string, ContentDigest>();
  for (const [name, digest] of manifest) {
    const file = await find(name);
    if (file === undefined)
      throw new LonghaulError('ARCHIVE_CHECKSUM', {
        found: `the manifest of ${archive} names ${name}, which is not there`,
        remedy: checkRemedy,
        details: { archive, file: name },
      });
    // The name as it is goes before one that is merely like it.
    if (name === file.name || !digests.has(file.name)) digests.set(file.name, digest);
  }
  return digests;
}

function digestIn(digests: Manifest, name: string): ContentDigest {
  const digest = digests.get(name);
  if (digest !== undefined) return digest;
  throw new LonghaulError('ARCHIVE_CHECKSUM', {
    found: `the manifest leaves out ${name}: nobody would notice if it was changed`,
    remedy: checkRemedy,
    details: { file: name },
  });
}

function requireSame(file: PackageFile, digest: ContentDigest, bytes: Buffer): void {
  requireDigest(file, digest, createHash(digest.algorithm).update(bytes).digest('hex'));
}

/** A chunked file lies in pieces with nine digits behind its name (DSP0243, 7.1). */
async function piecesOf({ archive, find }: PackageFiles, { file }: OvfDisk): Promise<PackageFile[]> {
  if (file === undefined) return [];
  const { href, chunkBytes, sizeBytes } = file;
  const missing = (name: string) =>
    new LonghaulError('ARCHIVE_INCOMPLETE', {
      found: `${archive} lacks ${name}, which its descriptor refers to`,
      remedy: 'Copy all files of the export, or export the VM again.',
      details: { archive, file: name },
    });
  if (chunkBytes === undefined) {
    const found = await find(href);
    if (found === undefined) throw missing(href);
    requireSize(archive, found.name, found.sizeBytes, sizeBytes);
    return [found];
  }
  const pieces: PackageFile[] = [];
  for (let total = 0; ;) {
    const name = `${href}.${String(pieces.length).padStart(9, '0')}`;
    const piece = await find(name);
    const isWhole = sizeBytes === undefined ? pieces.length > 0 : total >= sizeBytes;
    if (piece === undefined && isWhole) {
      requireSize(archive, href, total, sizeBytes);
      return pieces;
    }
    const last = pieces.at(-1);
    if (piece === undefined || (last !== undefined && last.sizeBytes !== chunkBytes)) throw missing(name);
    pieces.push(piece);
    total += piece.sizeBytes;
  }
}

/** The same bytes twice would be a disk more than there is, and unpack to more than the package's size tells. */
function requireOnce(disks: readonly PackageDisk[], descriptor: string): void {
  const places = new Set<string>();
  for (const { path, identity, window, name } of disks.flatMap(({ pieces }) => pieces)) {
    const place = `${window?.offset ?? 0} ${identity?.inode ?? path}`;
    if (places.has(place))
      throw new LonghaulError('OVF_INVALID', {
        found: `${descriptor} makes disks of ${name} more than once`,
        remedy: 'Export the VM again, so that each disk has a file of its own.',
        details: { file: name },
      });
    places.add(place);
  }
}

function requireSize(archive: string, name: string, actual: number, stated: number | undefined): void {
  if (stated === undefined || actual === stated) return;
  throw new LonghaulError('ARCHIVE_INCOMPLETE', {
    found: `${name} in ${archive} has ${actual} bytes where the descriptor says ${stated}`,
    remedy: 'Copy all files of the export again, whole, or export the VM again.',
    details: { archive, file: name, actual, stated },
  });
}

/** What is to be told of a VM that a descriptor in `archive` describes. */
export function vmFindings(
  { archive, skipped }: Pick<PackageFiles, 'archive' | 'skipped'>,
  vm: OvfVm,
): Finding[] {
  const facts = [
    vm.osType,
    vm.cpus === undefined ? undefined : `${vm.cpus} CPU${vm.cpus === 1 ? '' : 's'}`,
    vm.memoryMiB === undefined ? undefined : `${formatBytes(vm.memoryMiB * 2 ** 20)} of memory`,
    vm.option === undefined ? undefined : `in its deployment option ${vm.option}`,
  ].filter((fact) => fact !== undefined);
  const findings = [
    info(
      'described',
      `${archive} describes ${vm.name}: ${facts.join(', ')}`,
      (vm.annotation ?? '').slice(0, 2000),
    ),
  ];
  if (vm.secureBoot)
    findings.push(
      warning(
        'secure-boot',
        `${vm.name} was to start with Secure Boot, and the new VM starts without`,
        'Enable it in the domain afterwards if it has to be.',
      ),
    );
  if (vm.unusedDisks.length > 0)
    findings.push(
      warning(
        'disks-without-vm',
        `${archive} has disks that no VM in it uses: ${vm.unusedDisks.slice(0, 5).join(', ')}${vm.unusedDisks.length > 5 ? ` and ${vm.unusedDisks.length - 5} more` : ''}`,
        'They are left out. If one belongs to the VM, attach it at the source and export the VM again.',
      ),
    );
  if (skipped.length > 0)
    findings.push(
      info(
        'members-left-out',
        `${archive} has ${skipped.length} members that are left out: ${skipped
          .slice(0, 5)
          .map(({ name, why }) => `${name} is ${why}`)
          .join(', ')}`,
        '',
      ),
    );
  return findings;
}
