import { describe, expect, it } from 'vitest';
import {
  needsByMountpoint,
  refuseFull,
  spaceNeeds,
} from '../../../../activities/guest/inspector/free-space.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';
import type { Kernel, Mountpoint } from '../../../../contracts/values.ts';

const MiB = 1024 * 1024;

/** MiB by mount point, for images in /boot or at the paths given with their sizes. */
function needed(paths: string[], images: (number | [path: string, MiB: number])[]): Record<string, number> {
  const mountpoints = paths.map((path): Mountpoint => {
    return { path, device: `/dev${path}`, fsType: path.endsWith('efi') ? 'vfat' : 'ext4' };
  });
  const sizes = images.map((image) => {
    const [path, size] = typeof image === 'number' ? [`/boot/initrd-${image}`, image] : image;
    return { path, sizeBytes: size * MiB };
  });
  const grouped = needsByMountpoint(spaceNeeds(mountpoints, sizes), mountpoints);
  return Object.fromEntries(
    [...grouped].map(([path, needs]) => [path, needs.reduce((sum, { bytes }) => sum + bytes, 0) / MiB]),
  );
}

describe('the space that fixes need', () => {
  it('is little when no initramfs is made', () => {
    expect(needed(['/'], [])).toEqual({ '/': 11 });
    expect(needed(['/', '/boot', '/boot/efi', '/bootstrap'], [])).toEqual({
      '/': 10,
      '/boot': 1,
      '/boot/efi': 1,
    });
  });

  it('is that of the largest new initramfs where it lies', () => {
    expect(needed(['/', '/boot'], [40, 20])).toEqual({ '/': 10, '/boot': 1 + 68 });
    expect(needed(['/', '/boot', '/var'], [40])).toEqual({ '/': 10, '/boot': 69 });
    expect(needed(['/'], [40])).toEqual({ '/': 11 + 68 });
  });

  it('is wanted on each file system that has copies', () => {
    const copy = (version: string, size: number): [string, number] => [
      `/boot/efi/id/${version}/initrd.img`,
      size,
    ];
    expect(needed(['/', '/boot/efi'], [40, copy('6.1', 40), copy('6.2', 20)])).toEqual({
      '/': 11 + 68,
      '/boot/efi': 1 + 68,
    });
  });

  it('is none on a full stick that no boot loader is on', () => {
    expect(needed(['/', '/media/efi'], [])).toEqual({ '/': 11 });
    expect(needed(['/', '/efi'], [])).toEqual({ '/': 11, '/efi': 1 });
  });

  it('is no initramfs where the disks will be on a bus that the kernel knows', async () => {
    const kernel: Kernel = {
      version: '6.1',
      path: '/boot/vmlinuz-6.1',
      initramfs: '/boot/initrd.img-6.1',
      bootable: true,
      virtio: { blk: true, scsi: false, net: false, pci: true },
    };
    const guest = {
      stat: () => Promise.resolve({ sizeBytes: 40 * MiB }),
      statvfs: () => Promise.resolve({ blockSize: MiB, blocksFree: 12, files: 0, filesFree: 0 }),
    } as unknown as Guestfs;
    const facts = { mountpoints: [{ path: '/', device: '/dev/sda1', fsType: 'ext4' }], kernels: [kernel] };
    await expect(refuseFull(guest, facts)).resolves.toBeUndefined();
    await expect(refuseFull(guest, facts, 'sata')).resolves.toBeUndefined();
    await expect(refuseFull(guest, facts, 'scsi')).rejects.toMatchObject({ code: 'GUEST_NO_SPACE' });
    kernel.virtio.blk = false;
    await expect(refuseFull(guest, facts, 'sata')).resolves.toBeUndefined();
    await expect(refuseFull(guest, facts)).rejects.toMatchObject({ code: 'GUEST_NO_SPACE' });
  });
});
