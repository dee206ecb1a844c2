import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { Kernel } from '../../../contracts/values.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import { moduleName, readInitramfsModules } from '../initramfs/module-names.ts';
import type { Guestfs } from '../session/guestfs.ts';

export interface KernelSearch {
  guest: Guestfs;
  /** An existing private directory on the host, for one initramfs at a time. */
  scratchDir: string;
  signal: AbortSignal;
  warnings: string[];
  report: (doing: string) => void;
}

const maxKernels = 32;
const maxInitramfsBytes = 512 * 1024 * 1024;
const maxBuiltinBytes = 1024 * 1024;
const maxEntries = 64;
const entryPattern = '/{boot,boot/efi,efi}/loader/entries/*.conf';
const maxEntryBytes = 64 * 1024;
const versionPattern = /^\d+\.\d+[\w.+~-]*$/;
/** Where the boot protocol keeps the offset of the version string, x86 boot.rst "kernel_version". */
const bzImageVersionPointer = 0x20e;

interface KernelFile {
  version: string;
  path: string;
}

/**
 * The kernels of the mounted guest, oldest first, with what they can drive before the root is mounted. One that
 * kernel-install(8) copied to where the loader finds it is there twice, each time with its own initramfs.
 */
export async function findKernels(search: KernelSearch): Promise<Kernel[]> {
  const { guest } = search;
  const moduleVersions = (await guest.isDir('/lib/modules')) ? await guest.ls('/lib/modules') : [];
  const entries = await bootEntries(guest);
  const files = await kernelFiles(guest, moduleVersions, entries);
  const kernels: Kernel[] = [];
  for (const file of files.slice(0, maxKernels)) {
    const initramfs = await initramfsOf(guest, file, entries);
    const twice = kernels.some((other) => other.version === file.version && other.initramfs === initramfs);
    if (twice) continue;
    kernels.push({
      ...file,
      ...(initramfs === undefined ? {} : { initramfs }),
      bootable: moduleVersions.includes(file.version),
      virtio: { blk: false, scsi: false, net: false, pci: false },
    });
  }
  // One whose initramfs was deleted does not boot where the others need theirs.
  const needInitramfs = kernels.some(({ bootable, initramfs }) => bootable && initramfs !== undefined);
  for (const kernel of kernels) {
    kernel.bootable &&= kernel.initramfs !== undefined || !needInitramfs;
    if (kernel.bootable) kernel.virtio = await virtioOf(search, kernel);
  }
  return kernels;
}

async function kernelFiles(
  guest: Guestfs,
  moduleVersions: string[],
  entries: readonly BootEntry[],
): Promise<KernelFile[]> {
  const found: KernelFile[] = [];
  const isKnown = (version: string | undefined) => found.some((other) => other.version === version);
  const add = (version: string | undefined, path: string) => {
    if (version !== undefined && !isKnown(version)) found.push({ version, path });
  };
  const names = ((await guest.isDir('/boot')) ? await guest.ls('/boot') : []).filter(
    (name) => /^(vmlinuz|vmlinux|Image|bzImage)/.test(name) && !name.endsWith('.old'),
  );
  const suffixOf = (name: string) => /^(?:vmlinuz|vmlinux|Image|bzImage)-(.+)$/.exec(name)?.[1];
  const isNamed = (name: string) => versionPattern.test(suffixOf(name) ?? '');
  for (const name of names.filter(isNamed)) add(suffixOf(name), `/boot/${name}`);
  // Arch and Alpine name the kernel after its flavour; the image itself knows its version.
  const addByImage = async (name: string) => {
    add((await imageVersion(guest, `/boot/${name}`)) ?? suffixOf(name), `/boot/${name}`);
  };
  for (const name of names) if (!isNamed(name) && !isSpare(name)) await addByImage(name);
  // kernel-install(8) keeps each kernel as `linux` in a folder of its version, below one of the machine.
  for (const { kernel } of entries) {
    const version = moduleVersions.find((known) => kernel.split('/').at(-2) === known);
    if (version === undefined || found.some(({ path }) => path === kernel)) continue;
    if (await guest.isFile(kernel)) found.push({ version, path: kernel });
  }
  for (const version of moduleVersions) {
    const path = `/lib/modules/${version}/vmlinuz`;
    if (!isKnown(version) && (await guest.exists(path))) add(version, path);
  }
  // The kernel for emergencies is a copy of the first one installed: it counts where nothing else is of its version.
  for (const name of names) if (!isNamed(name) && isSpare(name)) await addByImage(name);
  return found.sort((a, b) => compareVersions(a.version, b.version));
}

/** Version of an x86 kernel image; undefined for any other file. */
async function imageVersion(guest: Guestfs, path: string): Promise<string | undefined> {
  try {
    const header = await guest.readPart(path, bzImageVersionPointer + 2, 0);
    if (header.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
    const text = await guest.readPart(path, 128, header.readUInt16LE(bzImageVersionPointer) + 0x200);
    const version = text.toString('latin1').split(/[\s\0]/)[0] ?? '';
    return versionPattern.test(version) ? version : undefined;
  } catch (error) {
    if (isGuestfsFailure(error) || error instanceof RangeError) return undefined;
    throw error;
  }
}

interface BootEntry {
  /** Path in the guest. */
  kernel: string;
  initramfs: string[];
}

/** Entries by the Boot Loader Specification (type 1), whose paths count from the partition they lie on. */
async function bootEntries(guest: Guestfs): Promise<BootEntry[]> {
  const entries: BootEntry[] = [];
  for (const path of (await guest.glob(entryPattern)).slice(0, maxEntries)) {
    const text = (await guest.readFile(path, maxEntryBytes)).toString();
    const [mountpoint = ''] = path.split('/loader/');
    const kernel = /^linux\s+(\/\S+)/m.exec(text)?.[1];
    if (kernel === undefined) continue;
    const initramfs = [...text.matchAll(/^initrd\s+(\/\S+)/gm)].map(([, file]) => file ?? '');
    // Where /boot is no partition of its own they count from the root.
    const places = [mountpoint, ''];
    for (const place of places) {
      entries.push({
        kernel: `${place}${kernel}`,
        initramfs: initramfs.filter((file) => !/ucode/.test(file)).map((file) => `${place}${file}`),
      });
    }
  }
  return entries;
}

async function initramfsOf(
  guest: Guestfs,
  { version, path }: KernelFile,
  entries: readonly BootEntry[],
): Promise<string | undefined> {
  const kernelName = path.split('/').at(-1) ?? '';
  const flavour = /^[^-]+-(.+)$/.exec(kernelName)?.[1] ?? version;
  const fromEntries = entries.filter(({ kernel }) => kernel === path).flatMap(({ initramfs }) => initramfs);
  const usual = [version, flavour].flatMap((suffix) => [
    `/boot/initrd.img-${suffix}`,
    `/boot/initramfs-${suffix}.img`,
    `/boot/initrd-${suffix}`,
    `/boot/initrd-${suffix}.img`,
    `/boot/initramfs-${suffix}`,
  ]);
  // What is started when nobody chooses: an image for emergencies holds every driver, and shows nothing of it.
  const [spare, started] = [fromEntries.filter(isSpare), fromEntries.filter((each) => !isSpare(each))];
  for (const candidate of [...started, ...usual, ...spare]) {
    if (await guest.isFile(candidate)) return candidate;
  }
  return undefined;
}

const isSpare = (file: string): boolean => /fallback|rescue/.test(file.split('/').at(-1) ?? '');

async function virtioOf(search: KernelSearch, kernel: Kernel): Promise<Kernel['virtio']> {
  const modules = await builtinModules(search.guest, kernel.version);
  const drivers = () => ({
    blk: modules.has('virtio_blk'),
    scsi: modules.has('virtio_scsi'),
    net: modules.has('virtio_net'),
    pci: modules.has('virtio_pci'),
  });
  const { blk, scsi, pci } = drivers();
  if ((!blk || !scsi || !pci) && kernel.initramfs !== undefined) {
    for (const module of await initramfsModules(search, kernel, kernel.initramfs)) modules.add(module);
  }
  return drivers();
}

/** Kernels before 2.6.33 have no modules.builtin; the configuration they were built from knows. */
async function builtinModules(guest: Guestfs, version: string): Promise<Set<string>> {
  return (await listedBuiltins(guest, version)) ?? (await builtinByConfig(guest, version));
}

/** modules.builtin(5) of kmod: one path a line, `kernel/drivers/block/virtio_blk.ko`. Undefined without the file. */
export async function listedBuiltins(guest: Guestfs, version: string): Promise<Set<string> | undefined> {
  const path = `/lib/modules/${version}/modules.builtin`;
  if (!(await guest.isFile(path))) return undefined;
  const text = (await guest.readFile(path, maxBuiltinBytes)).toString('latin1');
  return new Set([...text.matchAll(/([^/\n]+)\.ko$/gm)].map(([, name]) => moduleName(name ?? '')));
}

/** `CONFIG_VIRTIO_BLK=y` in /boot/config-VERSION. */
async function builtinByConfig(guest: Guestfs, version: string): Promise<Set<string>> {
  for (const path of [`/boot/config-${version}`, `/lib/modules/${version}/config`]) {
    if (!(await guest.isFile(path))) continue;
    const text = (await guest.readFile(path, maxBuiltinBytes)).toString('latin1');
    return new Set(
      [...text.matchAll(/^CONFIG_(VIRTIO_\w+|SCSI_VIRTIO)=y/gm)].map(([, option = '']) =>
        builtinName(option),
      ),
    );
  }
  return new Set();
}

/** The option is called like the module, but for the one of virtio_scsi. */
function builtinName(option: string): string {
  return option === 'SCSI_VIRTIO' ? 'virtio_scsi' : option.toLowerCase();
}

async function initramfsModules(
  { guest, scratchDir, signal, warnings, report }: KernelSearch,
  kernel: Kernel,
  initramfs: string,
): Promise<Set<string>> {
  report(`reading ${initramfs}`);
  const copy = join(scratchDir, `initramfs-${randomUUID()}`);
  try {
    await guest.download(initramfs, copy, maxInitramfsBytes);
    const { modules, problem } = await readInitramfsModules(copy, kernel.version, signal);
    if (problem !== undefined) warnings.push(`${initramfs} could not be read to its end: ${problem}.`);
    return modules;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    warnings.push(`${initramfs} could not be read: ${error.found}.`);
    return new Set();
  } finally {
    await rm(copy, { force: true });
  }
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
