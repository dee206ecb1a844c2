import { describe, expect, it } from 'vitest';
import { needsByMountpoint, spaceNeeds } from '../../../../activities/guest/inspector/free-space.ts';
import type { Mountpoint } from '../../../../contracts/values.ts';

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

  it('is that of the largest new initramfs where it lies, and of its contents in /var/tmp', () => {
    expect(needed(['/', '/boot'], [40, 20])).toEqual({ '/': 10 + 160, '/boot': 1 + 68 });
    expect(needed(['/', '/boot', '/var'], [40])).toEqual({ '/': 10, '/boot': 69, '/var': 160 });
    expect(needed(['/'], [40])).toEqual({ '/': 11 + 68 + 160 });
  });

  it('is wanted on each file system that has copies', () => {
    const copy = (version: string, size: number): [string, number] => [
      `/boot/efi/id/${version}/initrd.img`,
      size,
    ];
    expect(needed(['/', '/boot/efi'], [40, copy('6.1', 40), copy('6.2', 20)])).toEqual({
      '/': 11 + 68 + 160,
      '/boot/efi': 1 + 68,
    });
  });
});
