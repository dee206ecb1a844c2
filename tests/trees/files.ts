import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { initramfsOf } from './initramfs.ts';
import type { Tree, TreeKernel } from './tree.ts';

/** One file system object of a tree. */
export type TreeEntry =
  | { kind: 'file'; content: Buffer; mode: number }
  | { kind: 'link'; target: string }
  | { kind: 'directory'; mode: number };

/** An ELF header for x86-64, which is all that is read of a program from outside. */
const elfHeader = Buffer.from(`7f454c46020101${'00'.repeat(9)}03003e00`, 'hex');

/** Absolute path to what stands there, directories that follow from the paths left out. */
export function entriesOf(tree: Tree): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  const file = (path: string, content: string | Buffer, mode = 0o644) =>
    entries.set(path, { kind: 'file', content: Buffer.from(content), mode: modeOf(tree, path) ?? mode });
  for (const path of tree.directories ?? [])
    entries.set(path, { kind: 'directory', mode: modeOf(tree, path) ?? 0o755 });
  for (const kernel of tree.kernels)
    for (const [path, content] of kernelFiles(kernel))
      file(path, content, path.endsWith('.img') ? 0o600 : 0o644);
  for (const path of tree.programs ?? []) file(path, elfHeader, 0o755);
  for (const path of tree.scripts ?? []) file(path, '#!/bin/bash\n', 0o755);
  for (const [path, content] of Object.entries(tree.files)) file(path, filled(path, content));
  for (const [path, target] of Object.entries(tree.links ?? {})) entries.set(path, { kind: 'link', target });
  return entries;
}

/** GRUB's environment block is 1024 bytes long, whatever is in it. */
function filled(path: string, content: string): string {
  return path.endsWith('/grubenv') ? content.padEnd(1024, '#') : content;
}

function modeOf(tree: Tree, path: string): number | undefined {
  const octal = tree.modes?.[path];
  return octal === undefined ? undefined : parseInt(octal, 8);
}

function kernelFiles(kernel: TreeKernel): [string, string | Buffer][] {
  const modules = `/${kernel.lib ?? 'usr/lib'}/modules/${kernel.version}`;
  const { builtin = [], installed = [], image, initramfs } = kernel;
  const imageContent = kernel.bzImage === true ? bzImage(kernel.version) : Buffer.from('kernel');
  const all = [...new Set([...kernel.modules, ...installed])];
  const boot: [string, Buffer][] = [
    ...(image === undefined ? [] : [[image, imageContent] as [string, Buffer]]),
    ...(initramfs === undefined ? [] : [[initramfs, initramfsOf(kernel)] as [string, Buffer]]),
  ];
  // A rescue image is a copy of a kernel under a name of its own.
  if (all.length + builtin.length === 0) return boot;
  return [
    ...boot,
    [`${modules}/modules.builtin`, builtin.map((path) => `kernel/${path}\n`).join('')],
    [`${modules}/modules.dep`, all.map((path) => `kernel/${path}:\n`).join('')],
    ...all.map((path): [string, string] => [`${modules}/kernel/${path}`, 'ELF']),
  ];
}

/** The header of an x86 kernel with its version, Documentation/arch/x86/boot.rst: `header`, `kernel_version`. */
function bzImage(version: string): Buffer {
  const image = Buffer.alloc(0x600);
  image.write('HdrS', 0x202);
  image.writeUInt16LE(0x300, 0x20e);
  image.write(`${version} (builder@host) #1 SMP PREEMPT_DYNAMIC\0`, 0x500);
  return image;
}

/** Writes what lies below one mount point into a directory of the host. */
export async function writeEntries(root: string, entries: ReadonlyMap<string, TreeEntry>): Promise<void> {
  for (const [path, entry] of entries) {
    const at = join(root, path);
    await mkdir(entry.kind === 'directory' ? at : dirname(at), { recursive: true });
    if (entry.kind === 'link') await symlink(entry.target, at);
    else if (entry.kind === 'file') await writeFile(at, entry.content, { mode: entry.mode });
    if (entry.kind !== 'link') await chmod(at, entry.mode);
  }
}
