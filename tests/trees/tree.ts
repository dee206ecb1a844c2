import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/**
 * A guest as a manifest, tests/trees/NAME/tree.yaml: its disk, and the files in the layout of a distribution
 * that a migration looks at. Contents are written for the tests in the form the distribution writes them.
 */
export interface Tree {
  /** One sentence: which system, installed how and where. */
  about: string;
  /** MAC addresses of the VM's cards, in the source's order. */
  nics: readonly string[];
  table: 'dos' | 'gpt';
  partitions: readonly (TreePartition & Partial<TreeFileSystem>)[];
  kernels: readonly TreeKernel[];
  files: Readonly<Record<string, string>>;
  /** Path to permission bits in octal, for files that are not 0644 and directories that are not 0755. */
  modes?: Readonly<Record<string, string>>;
  /** Executables: an ELF header for x86-64 and nothing behind it, so that none of them can run. */
  programs?: readonly string[];
  /** Executables that are scripts by their first line. */
  scripts?: readonly string[];
  links?: Readonly<Record<string, string>>;
  directories?: readonly string[];
}

export interface TreePartition {
  sizeMiB: number;
  /** When not simply the next one. */
  number?: number;
  /** sfdisk(8): `uefi`, `linux`, `swap`, `lvm`, `21686148-6449-6E6F-744E-656564454649` (BIOS boot) ... */
  type: string;
  bootable?: boolean;
  /** Of the partition, GPT alone. */
  partUuid?: string;
  partName?: string;
  /** LVM: the volume group on it. Its name is not another tree's. */
  group?: string;
  /** UUID of the physical volume, where a file names it. */
  pvUuid?: string;
  volumes?: readonly (TreeFileSystem & { name: string; sizeMiB: number })[];
}

export interface TreeFileSystem {
  fs: 'ext4' | 'xfs' | 'btrfs' | 'vfat' | 'swap';
  uuid: string;
  label?: string;
  /** Mount point of what it holds; swap has none. */
  at?: string;
  /** btrfs: subvolumes in the order of their making, the one that `at` is, and whether it is the default. */
  subvolumes?: readonly string[];
  subvolume?: string;
  defaultSubvolume?: boolean;
}

export interface TreeKernel {
  version: string;
  /** Path of the kernel's file; without, the kernel is one of modules only. */
  image?: string;
  /** The kernel's file names its version inside only, as x86's bzImage does. */
  bzImage?: boolean;
  initramfs?: string;
  compression: 'gzip' | 'xz' | 'zstd' | 'lz4' | 'none';
  /** An uncompressed archive with microcode lies before the compressed one. */
  microcode?: boolean;
  /** Modules in the initramfs, paths below /lib/modules/VERSION/kernel. */
  modules: readonly string[];
  /** Modules installed in /lib/modules besides. */
  installed?: readonly string[];
  /** modules.builtin(5). */
  builtin?: readonly string[];
  /** /lib/modules in the initramfs and in the root: `usr/lib` when left out. */
  lib?: string;
}

export const treesDirectory = import.meta.dirname;

export function manifestPath(name: string): string {
  return join(treesDirectory, name, 'tree.yaml');
}

/** Names of all trees, in order. */
export async function treeNames(): Promise<string[]> {
  const entries = await readdir(treesDirectory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

export function readTree(name: string): Tree {
  return parse(readFileSync(manifestPath(name), 'utf8')) as Tree;
}
