import { describe, expect, it } from 'vitest';
import { findKernels } from '../../../../activities/guest/inspector/kernels.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';
import { quietIo } from '../../../support/guest-trees.ts';

const version = '6.9.3-arch1-1';
const builtin = ['blk', 'scsi', 'net', 'pci'].map((kind) => `kernel/drivers/virtio_${kind}.ko\n`).join('');

/** A guest of files alone, as far as kernels are looked for in it. */
function guestOf(files: Record<string, string>): Guestfs {
  const names = (dir: string) => [
    ...new Set(
      Object.keys(files)
        .filter((path) => path.startsWith(`${dir}/`))
        .map((path) => path.slice(dir.length + 1).split('/')[0] ?? ''),
    ),
  ];
  const guest = {
    isDir: (path: string) => Promise.resolve(names(path).length > 0),
    ls: (path: string) => Promise.resolve(names(path)),
    glob: () =>
      Promise.resolve(
        Object.keys(files)
          .filter((path) => path.includes('/loader/entries/'))
          .sort(),
      ),
    isFile: (path: string) => Promise.resolve(path in files),
    exists: (path: string) => Promise.resolve(path in files),
    readFile: (path: string) => Promise.resolve(Buffer.from(files[path] ?? '')),
  };
  return guest as unknown as Guestfs;
}

const entry = (initrd: string) =>
  `title Arch\nlinux /vmlinuz-${version}\ninitrd /amd-ucode.img\ninitrd /${initrd}\n`;
const arch = {
  [`/lib/modules/${version}/modules.builtin`]: builtin,
  [`/boot/vmlinuz-${version}`]: 'kernel',
  '/boot/amd-ucode.img': '',
  '/boot/initramfs-linux-fallback.img': '',
  '/boot/loader/entries/arch-fallback.conf': entry('initramfs-linux-fallback.img'),
};
const initramfsOf = async (files: Record<string, string>) =>
  (await findKernels({ guest: guestOf(files), scratchDir: '/nowhere', warnings: [], ...quietIo() })).map(
    ({ initramfs }) => initramfs,
  );

describe('the initramfs of a kernel', () => {
  it('is the one that is started when nobody chooses, not the one for emergencies', async () => {
    const both = {
      ...arch,
      '/boot/initramfs-linux.img': '',
      '/boot/loader/entries/arch.conf': entry('initramfs-linux.img'),
    };
    expect(await initramfsOf(both)).toEqual(['/boot/initramfs-linux.img']);
    expect(await initramfsOf(arch)).toEqual(['/boot/initramfs-linux-fallback.img']);
  });
});
