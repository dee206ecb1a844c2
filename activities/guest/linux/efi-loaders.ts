/** What to copy on an EFI system partition so that firmware without boot entries starts the guest; pure. */

export interface EspFile {
  name: string;
  sizeBytes: number;
}

/** A folder of \EFI, with its files as they are spelled. FAT knows no case, so names are compared without. */
export interface EspFolder {
  name: string;
  files: EspFile[];
}

export interface EspCopy {
  /** Paths below \EFI. */
  from: string;
  to: string;
  sizeBytes: number;
}

/** Copies in the order they are made: what firmware starts comes last. */
export interface FallbackPlan {
  copies: EspCopy[];
  /** The folder whose loader is started, for people. */
  vendor?: string;
  warnings: string[];
}

/**
 * The suffix of the machine's EFI programs, UEFI specification 3.5.1.1. The new VM's firmware is of 64 bits, and
 * a loader of its kind starts systems of 32.
 */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['x64'],
  aarch64: ['aa64'],
  i386: ['x64', 'ia32'],
  i686: ['x64', 'ia32'],
  riscv64: ['riscv64'],
};

/** Folders of \EFI by the ID of os-release(5), where they are not called like it. */
const vendorsOf: Readonly<Record<string, readonly string[]>> = {
  rhel: ['redhat'],
  ol: ['redhat', 'oracle'],
  rocky: ['rocky'],
  almalinux: ['almalinux'],
  amzn: ['amzn', 'amazon'],
  'opensuse-leap': ['opensuse'],
  'opensuse-tumbleweed': ['opensuse'],
  sles: ['sles', 'suse', 'opensuse'],
  arch: ['arch', 'GRUB'],
};

/** Stubs only say where the configuration lies; a whole grub.cfg would be a copy that grows old. */
const maxStubBytes = 1024;

interface Loader {
  folder: EspFolder;
  main: EspFile;
  /** Files that must lie beside it. */
  beside: EspFile[];
  warning?: string;
}

/**
 * Plans the fallback loader \EFI\BOOT\BOOT*.EFI from whatever loader another folder has. One that is there
 * stays as it is; if it is a shim that misses what it starts, that is added.
 *
 * @param named the program that a BOOT*.CSV of a folder names, by the folder's name
 */
export function planFallback(
  folders: readonly EspFolder[],
  guest: { arch?: string; distroId?: string },
  named: ReadonlyMap<string, string>,
): FallbackPlan {
  const arch = guest.arch ?? 'x86_64';
  const boot = folders.find(({ name }) => same(name, 'BOOT'));
  const kinds = (suffixes[arch] ?? []).map((suffix) => ({
    suffix,
    fallback: fileOf(boot, `boot${suffix}.efi`),
    loaders: sorted(folders, guest.distroId).flatMap((folder) => loadersIn(folder, suffix, boot, named)),
  }));
  const kind =
    kinds.find(({ fallback, loaders }) => fallback !== undefined || loaders.length > 0) ?? kinds[0];
  if (kind === undefined) {
    const what = `No fallback loader was looked for: what firmware starts on ${arch} is not known`;
    return { copies: [], warnings: [`${what}; the VM may need a boot entry made by hand.`] };
  }
  const { suffix, fallback, loaders } = kind;
  if (fallback !== undefined && fallback.sizeBytes > 0) {
    const shim = loaders.find(({ main }) => isShim(main) && main.sizeBytes === fallback.sizeBytes);
    if (shim === undefined || hasSecondStage(boot)) return { copies: [], warnings: [] };
    return { copies: copiesOf(shim, boot, undefined), vendor: shim.folder.name, warnings: [] };
  }
  const [loader] = loaders;
  if (loader === undefined) {
    const seen = folders.map(({ name }) => name).join(', ');
    const what = `The EFI system partition has no fallback loader, and none that could become it (it has ${seen || 'nothing'})`;
    return { copies: [], warnings: [`${what}: the VM may need a boot entry made by hand.`] };
  }
  return {
    copies: copiesOf(loader, boot, `BOOT${suffix.toUpperCase()}.EFI`),
    vendor: loader.folder.name,
    warnings: loader.warning === undefined ? [] : [loader.warning],
  };
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function fileOf(folder: EspFolder | undefined, ...names: string[]): EspFile | undefined {
  for (const name of names) {
    const found = folder?.files.find((file) => same(file.name, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function isShim({ name }: EspFile): boolean {
  return /^shim/i.test(name);
}

function hasSecondStage(boot: EspFolder | undefined): boolean {
  return boot?.files.some(({ name }) => /^(grub\w*|fb\w*|fallback)\.efi$/i.test(name)) ?? false;
}

/** The folder of the guest's own distribution first, then those with a shim, by name. */
function sorted(folders: readonly EspFolder[], distroId: string | undefined): EspFolder[] {
  const own = distroId === undefined ? [] : [...(vendorsOf[distroId] ?? []), distroId];
  const rank = ({ name, files }: EspFolder) =>
    own.some((vendor) => same(vendor, name)) ? 0 : files.some(isShim) ? 1 : 2;
  return folders
    .filter(({ name }) => !same(name, 'BOOT') && !same(name, 'Microsoft'))
    .toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en'));
}

function loadersIn(
  folder: EspFolder,
  suffix: string,
  boot: EspFolder | undefined,
  named: ReadonlyMap<string, string>,
): Loader[] {
  const file = (...names: string[]) => fileOf(folder, ...names);
  const given = (files: (EspFile | undefined)[]) => files.filter((found) => found !== undefined);
  const shim = file(`shim${suffix}.efi`, 'shim.efi');
  const grub = file(`grub${suffix}.efi`, 'grub.efi');
  const config = file('grub.cfg');
  const stub = config !== undefined && config.sizeBytes <= maxStubBytes ? config : undefined;
  const keys = file(`mm${suffix}.efi`, 'MokManager.efi');
  // shim's own helper makes the boot entries anew that BOOT*.CSV describes: shim, README.fallback.
  const helperNames = [`fb${suffix}.efi`, 'fallback.efi'];
  const helper = file(...helperNames);
  const listed = named.get(folder.name);
  if (shim && listed !== undefined && file(listed) && (helper ?? fileOf(boot, ...helperNames)))
    return [{ folder, main: shim, beside: given([helper, keys]) }];
  if (shim && grub) return [{ folder, main: shim, beside: given([grub, stub, keys]) }];
  const plain = grub ?? file(`systemd-boot${suffix}.efi`, `refind_${suffix}.efi`);
  if (plain) return [{ folder, main: plain, beside: given([plain === grub ? stub : undefined]) }];
  const images = same(folder.name, 'Linux') ? folder.files.filter(({ name }) => /\.efi$/i.test(name)) : [];
  const [newest] = images.toSorted((a, b) => b.name.localeCompare(a.name, 'en', { numeric: true }));
  if (newest === undefined) return [];
  const warning = `The firmware starts a copy of ${newest.name}: kernel updates do not reach it until the guest makes a boot entry.`;
  return [{ folder, main: newest, beside: [], warning }];
}

function copiesOf(loader: Loader, boot: EspFolder | undefined, as: string | undefined): EspCopy[] {
  const target = boot?.name ?? 'BOOT';
  const from = ({ name }: EspFile) => `${loader.folder.name}/${name}`;
  const copies = loader.beside
    .filter(({ name }) => fileOf(boot, name) === undefined)
    .map((file) => ({ from: from(file), to: `${target}/${file.name}`, sizeBytes: file.sizeBytes }));
  if (as === undefined) return copies;
  // One that is there is empty, and keeps its spelling.
  const name = fileOf(boot, as)?.name ?? as;
  return [...copies, { from: from(loader.main), to: `${target}/${name}`, sizeBytes: loader.main.sizeBytes }];
}

/** The program that the first line of a BOOT*.CSV names: UTF-16, comma-separated, shim's README.fallback. */
export function programInCsv(content: Buffer): string | undefined {
  const text = content.toString('utf16le').replace(/^\ufeff/, '');
  const program = text.split(/\r?\n/)[0]?.split(',')[0]?.trim();
  return program !== undefined && /^[\w.-]{1,64}\.efi$/i.test(program) ? program : undefined;
}
