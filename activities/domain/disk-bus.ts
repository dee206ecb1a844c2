import type { DiskBus, MigrationSpec } from '../../contracts/spec.ts';
import type { GuestFacts } from '../../contracts/values.ts';

export interface DiskBusChoice {
  bus: DiskBus;
  /** One sentence, when the choice may keep the guest from booting or makes it slower. */
  warning?: string;
}

const remedy = 'If it does not boot, set target.diskBus to sata.';

/**
 * The bus of all disks. `auto` is virtio unless the guest is known to lack the driver where it is needed first.
 *
 * @param facts absent when nobody looked into the guest
 * @param fixed the guest's fixes were all made: what it lacks for virtio has been put in
 */
export function chooseDiskBus(
  wanted: MigrationSpec['target']['diskBus'],
  facts: Pick<GuestFacts, 'os' | 'kernels'> | undefined,
  fixed: boolean,
): DiskBusChoice {
  if (wanted !== 'auto') return { bus: wanted };
  if (fixed || facts?.os === 'none') return { bus: 'virtio' };
  if (facts === undefined)
    return {
      bus: 'virtio',
      warning: `The disks are on virtio although nobody looked whether the guest has its driver. ${remedy}`,
    };
  const bootable = facts.kernels.filter((kernel) => kernel.bootable);
  if (bootable.length === 0)
    return {
      bus: 'virtio',
      warning: `The disks are on virtio although no kernel was found that could be asked. ${remedy}`,
    };
  if (bootable.some(({ virtio }) => virtio.blk)) return { bus: 'virtio' };
  const versions = [...new Set(bootable.map(({ version }) => version))].join(', ');
  return {
    bus: 'sata',
    warning: `The disks are on SATA, which is slower than virtio: the guest was not fixed, and ${versions} cannot start from a virtio disk.`,
  };
}
