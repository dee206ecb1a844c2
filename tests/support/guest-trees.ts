import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runTool } from '../../activities/host/tool.ts';
import type { StepIo } from '../../activities/host/step-io.ts';
import { moduleArchive } from './cpio-archive.ts';

/** Small but faithful Linux trees and disks, for what looks into guests without booting them. */

export const kernelVersion = '6.1.0-18-amd64';
const virtio = ['virtio_blk', 'virtio_scsi', 'virtio_pci', 'virtio_net'];

export interface LinuxTree {
  hostname: string;
  fstab: readonly string[];
  /** Modules in the initramfs; all of virtio when left out. */
  initramfs?: readonly string[];
  /** More files, path to content. */
  files?: Readonly<Record<string, string | Buffer>>;
}

/** A StepIo that aborts never and says nothing. */
export function quietIo(overrides: Partial<StepIo> = {}): StepIo {
  const silent = () => undefined;
  return {
    signal: new AbortController().signal,
    report: silent,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    ...overrides,
  };
}

export async function run(
  program: string,
  args: readonly string[],
  input?: string,
  wallMs = 300_000,
): Promise<string> {
  const call = {
    program,
    args,
    limits: { wallMs },
    env: { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' },
  };
  return (await runTool(input === undefined ? call : { ...call, input })).stdout;
}

/** Writes the tree of a Debian system that was never booted, without a single real program. */
export async function writeLinuxTree(root: string, tree: LinuxTree): Promise<void> {
  const modules = `usr/lib/modules/${kernelVersion}`;
  const files: Record<string, string | Buffer> = {
    'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    'etc/hostname': `${tree.hostname}\n`,
    'etc/fstab': ['# device path type options', ...tree.fstab, ''].join('\n'),
    // An ELF header for x86-64, which is all anybody reads of it.
    'usr/bin/dash': Buffer.from(`7f454c46020101${'00'.repeat(9)}03003e00`, 'hex'),
    'usr/sbin/mkinitramfs': '#!/bin/sh\n',
    [`boot/vmlinuz-${kernelVersion}`]: 'kernel',
    [`boot/initrd.img-${kernelVersion}`]: gzipSync(moduleArchive(kernelVersion, tree.initramfs ?? virtio)),
    'boot/grub/grub.cfg': `linux /boot/vmlinuz-${kernelVersion} root=/dev/sda1 ro\n`,
    [`${modules}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\n',
    ...tree.files,
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  for (const name of ['bin', 'sbin', 'lib']) await symlink(`usr/${name}`, join(root, name));
  await symlink('dash', join(root, 'usr/bin/sh'));
  await chmod(join(root, 'usr/bin/dash'), 0o755);
}

/** An ext4 image file holding `populate`'s directory; `offsetMiB` leaves room for a partition table. */
export async function ext4Disk(
  path: string,
  populate: (root: string) => Promise<void>,
  { sizeMiB = 48, offsetMiB = 0, label = '', inodes = 0 } = {},
): Promise<void> {
  const root = await mkdtemp(`${path}.tree-`);
  await populate(root);
  await run('truncate', ['-s', `${sizeMiB + offsetMiB}M`, path]);
  const where = ['-E', `offset=${offsetMiB * 1024 * 1024},nodiscard`, '-d', root];
  const named = [...(label === '' ? [] : ['-L', label]), ...(inodes === 0 ? [] : ['-N', String(inodes)])];
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', ...named, ...where, path, `${sizeMiB}m`]);
  await rm(root, { recursive: true });
}

/** Writes a partition table over the first MiB of a disk, sfdisk(8) script lines. */
export async function partition(path: string, label: 'dos' | 'gpt', lines: readonly string[]): Promise<void> {
  await run(
    'sfdisk',
    ['-q', '--no-reread', '--no-tell-kernel', path],
    [`label: ${label}`, ...lines, ''].join('\n'),
  );
}
