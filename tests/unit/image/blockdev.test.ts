import { describe, expect, it } from 'vitest';
import { blockdevOf, overlayOn } from '../../../activities/image/blockdev.ts';
import type { ImageNode } from '../../../contracts/values.ts';

const node = (format: ImageNode['format'], more: Partial<ImageNode> = {}): ImageNode => ({
  path: '/vm/disk',
  format,
  virtualSizeBytes: 1024 ** 3,
  extents: [],
  ...more,
});
const file = { driver: 'file', filename: '/vm/disk' };

describe('the block graph given to QEMU', () => {
  it('states that there is no backing file, whatever the header says', () => {
    expect(blockdevOf(node('qcow2'))).toMatchObject({ driver: 'qcow2', file, backing: null });
    expect(blockdevOf(node('vmdk'))).toMatchObject({ driver: 'vmdk', file, backing: null });
  });

  it('states driver and file of every level below an overlay', () => {
    const base = node('raw', { path: '/vm/base' });
    expect(overlayOn('/work/overlay', node('qcow2', { backing: base }))).toMatchObject({
      driver: 'qcow2',
      file: { driver: 'file', filename: '/work/overlay' },
      backing: { driver: 'qcow2', file, backing: { driver: 'raw', file: { filename: '/vm/base' } } },
    });
  });

  it('reads an image inside another file through a window of whole sectors', () => {
    const window = { name: 'disk.vmdk', offset: 4096, sizeBytes: 65_537 };
    expect(blockdevOf(node('vmdk', { window }))).toEqual({
      driver: 'vmdk',
      file: { driver: 'raw', offset: 4096, size: 66_048, file },
      backing: null,
    });
  });

  it('takes the size of a VHD from its footer, not from its geometry', () => {
    expect(blockdevOf(node('vpc'))).toEqual({ driver: 'vpc', file, force_size_calc: 'current_size' });
  });

  it('reads a VHD beyond the limit of QEMU as what it is: raw, without the footer', () => {
    const size = 4 * 1024 ** 4;
    expect(blockdevOf(node('vpc', { virtualSizeBytes: size }))).toEqual({
      driver: 'raw',
      file,
      offset: 0,
      size,
    });
  });
});
