import { describe, expect, it } from 'vitest';
import { chooseDiskBus } from '../../../activities/domain/disk-bus.ts';

const kernel = (version: string, blk: boolean, bootable = true) => ({
  version,
  path: `/boot/vmlinuz-${version}`,
  bootable,
  virtio: { blk, scsi: blk, net: blk, pci: blk },
});
const linux = (...kernels: ReturnType<typeof kernel>[]) => ({ os: 'linux' as const, kernels });

describe('the bus of the disks', () => {
  it('is the one the spec names, whatever the guest has', () => {
    expect(chooseDiskBus('scsi', linux(kernel('5.10', false)), false)).toEqual({ bus: 'scsi' });
  });

  it('is virtio for a guest that has it, that was fixed, or that is no guest', () => {
    expect(chooseDiskBus('auto', linux(kernel('2.6', false), kernel('6.1', true)), false)).toEqual({
      bus: 'virtio',
    });
    expect(chooseDiskBus('auto', linux(kernel('6.1', false)), true)).toEqual({ bus: 'virtio' });
    expect(chooseDiskBus('auto', { os: 'none', kernels: [] }, false)).toEqual({ bus: 'virtio' });
  });

  it('is SATA, with a warning, for a guest that was not fixed and cannot start from virtio', () => {
    const choice = chooseDiskBus('auto', linux(kernel('2.6.32', false), kernel('6.1', true, false)), false);
    expect(choice.bus).toBe('sata');
    expect(choice.warning).toContain('2.6.32 cannot start from a virtio disk');
  });

  it('is virtio with a warning when nothing is known', () => {
    for (const facts of [undefined, linux()]) {
      const { bus, warning } = chooseDiskBus('auto', facts, false);
      expect(bus).toBe('virtio');
      expect(warning).toContain('set target.diskBus to sata');
    }
  });
});
