import { efiSystemPartition, extendedBootLoader } from '../../image/partition-table.ts';
import type { BlockDevices } from './block-devices.ts';
import type { Volume } from './volumes.ts';

export interface BootPartition {
  device: string;
  fsType: string;
  /** Directories it is mounted at: the first one that is there and empty. */
  places: string[];
}

/**
 * Partitions that systemd-gpt-auto-generator(8) finds by their type on the disk of the root, so that fstab need
 * not have them: XBOOTLDR for /boot, the EFI system partition for /efi, or for /boot where there is no XBOOTLDR.
 */
export function bootPartitions(devices: BlockDevices, root: string): BootPartition[] {
  const [first] = devices.disks;
  // From a volume group or a container one cannot see its disk.
  const disk = devices.disks.find((name) => root.startsWith(name)) ?? first;
  if (disk === undefined || devices.table(disk).kind !== 'gpt') return [];
  const firstOf = (...types: string[]): Volume | undefined =>
    devices.volumes.find(
      ({ device, type }) =>
        device.startsWith(disk) &&
        type !== 'unknown' &&
        type !== 'unreadable' &&
        types.includes(devices.partition(device)?.type ?? ''),
    );
  const [loader, esp] = [firstOf(extendedBootLoader), firstOf(...efiSystemPartition)];
  const places = loader === undefined ? ['/efi', '/boot'] : ['/efi'];
  return [
    ...(loader === undefined ? [] : [{ device: loader.device, fsType: loader.type, places: ['/boot'] }]),
    ...(esp === undefined ? [] : [{ device: esp.device, fsType: esp.type, places }]),
  ];
}
