import { diskKind, readDeviceMap } from './device-map.ts';
import { mentionsMovingDevice } from './device-names.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { editBootDisks, editDeviceMap } from './grub-disks-text.ts';
import { planText, readGuestText } from './guest-text.ts';

const files = [
  { path: '/boot/grub/device.map', edit: editDeviceMap },
  { path: '/boot/grub2/device.map', edit: editDeviceMap },
  // RHEL up to 6; later it is /etc/default/grub by another name, which has no such line.
  { path: '/etc/sysconfig/grub', edit: editBootDisks },
  { path: '/etc/default/grub_installdevice', edit: editBootDisks },
];
const oldLoaders = ['/etc/lilo.conf', '/etc/elilo.conf'];

/** Which disk the guest's tools install GRUB on: nothing at the first boot, but what a later update goes by. */
export const grubDisksFix: Fix = {
  id: 'grub-disks',
  title: 'Name the disk that boot loader updates go to',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, diskBus }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    const diskCount = (await guest.listDevices()).length;
    for (const { path, edit } of files) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined) continue;
      if (!mentionsMovingDevice(file.text)) continue;
      const { order } = await readDeviceMap(guest, facts);
      const change = planText(
        file,
        edit(file.text, diskCount, diskKind(diskBus), order),
        'GRUB is installed on the disk by its new name.',
      );
      if (change !== undefined) changes.push(change);
    }
    if (facts.bootloader !== 'unknown') return { changes, warnings };
    for (const path of oldLoaders) {
      if (!(await guest.isFile(path))) continue;
      warnings.push(
        `${path} belongs to a boot loader that keeps block numbers and device names of its own; it was left alone, and its kernel may not find the root disk.`,
      );
    }
    return { changes, warnings };
  },
};
