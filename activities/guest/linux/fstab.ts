import { readDeviceMap, type DeviceMap } from './device-map.ts';
import { mentionsMovingDevice } from './device-names.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { editCrypttab, editFstab, editResume, type Edited } from './fstab-text.ts';
import { planText, readGuestText } from './guest-text.ts';

const files: { path: string; edit: (text: string, map: DeviceMap, path: string) => Edited; what: string }[] =
  [
    {
      path: '/etc/fstab',
      edit: editFstab,
      what: 'File systems and swap are named by UUID instead of device.',
    },
    {
      path: '/etc/crypttab',
      edit: editCrypttab,
      what: 'Encrypted volumes are named by UUID instead of device.',
    },
    {
      // What mkinitcpio's sd-encrypt puts into the initramfs as its crypttab.
      path: '/etc/crypttab.initramfs',
      edit: editCrypttab,
      what: 'Encrypted volumes are named by UUID instead of device.',
    },
    {
      path: '/etc/initramfs-tools/conf.d/resume',
      edit: editResume,
      what: 'The swap to resume from is named by UUID instead of device.',
    },
  ];

/** Disk names that change with the hypervisor, in the files that the running system mounts by. */
export const fstabFix: Fix = {
  id: 'fstab',
  title: 'Name file systems by UUID',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    for (const { path, edit, what } of files) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined || !mentionsMovingDevice(file.text)) continue;
      const edited = edit(file.text, await readDeviceMap(guest, facts), path);
      warnings.push(...edited.warnings);
      const change = planText(file, edited.text, what);
      if (change !== undefined) changes.push(change);
    }
    return { changes, warnings };
  },
};
