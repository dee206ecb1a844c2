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
    readPart: (path: string, count: number, offset: number) =>
      Promise.resolve(Buffer.from(files[path] ?? '', 'latin1').subarray(offset, offset + count)),
  };
  return guest as unknown as Guestfs;
}

/** An image of the x86 boot protocol as far as its version is read. */
function image(version: string): string {
  const bytes = Buffer.alloc(0x400);
  bytes.write('HdrS', 0x202, 'latin1');
  bytes.writeUInt16LE(0x100, 0x20e);
  bytes.write(`${version} (builder@example) #1 SMP`, 0x300, 'latin1');
  return bytes.toString('latin1');
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

describe('the kernel file of a version', () => {
  const el9 = '5.14.0-362.8.1.el9_3.x86_64';
  const rescue = '0-rescue-3fd9aa2b2b9f4b0a8f2f6f1fd7b3a6c1';
  const kernels = async (files: Record<string, string>) =>
    (await findKernels({ guest: guestOf(files), scratchDir: '/nowhere', warnings: [], ...quietIo() })).map(
      ({ version, path, initramfs }) => ({ version, path, initramfs }),
    );
  const modules = { [`/lib/modules/${el9}/modules.builtin`]: builtin };
  const rescueFiles = {
    [`/boot/initramfs-${rescue}.img`]: '',
    [`/boot/vmlinuz-${rescue}`]: image(el9),
  };

  it('is the one that is started, not the copy for emergencies, which sorts before it', async () => {
    const files = {
      ...modules,
      ...rescueFiles,
      [`/boot/initramfs-${el9}.img`]: '',
      [`/boot/vmlinuz-${el9}`]: image(el9),
    };
    expect(await kernels(files)).toEqual([
      { version: el9, path: `/boot/vmlinuz-${el9}`, initramfs: `/boot/initramfs-${el9}.img` },
    ]);
  });

  it('is the copy for emergencies where nothing else is left', async () => {
    expect(await kernels({ ...modules, ...rescueFiles })).toEqual([
      { version: el9, path: `/boot/vmlinuz-${rescue}`, initramfs: `/boot/initramfs-${rescue}.img` },
    ]);
  });

  it('is found for a flavour by the version inside the image', async () => {
    const files = {
      [`/lib/modules/${version}/modules.builtin`]: builtin,
      '/boot/initramfs-linux.img': '',
      '/boot/vmlinuz-linux': image(version),
    };
    expect(await kernels(files)).toEqual([
      { version, path: '/boot/vmlinuz-linux', initramfs: '/boot/initramfs-linux.img' },
    ]);
  });
});
