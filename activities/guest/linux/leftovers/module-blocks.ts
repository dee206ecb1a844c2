import type { Fix, PlannedChange } from '../fix.ts';
import { planText, readGuestText } from '../guest-text.ts';
import { unblockVirtio } from './module-blocks-text.ts';
import { findAny } from './find.ts';

const files = ['/etc/modprobe.conf', '/etc/modprobe.d/*.conf', '/etc/modprobe.d/blacklist*'];
const maxFiles = 100;

/** Hardening guides block virtio on VMware and clouds; udev would obey and the disks and cards stay away. */
export const moduleBlocksFix: Fix = {
  id: 'module-blocks',
  title: 'Let the drivers of virtio be loaded',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    for (const path of [...new Set(await findAny(guest, files))].slice(0, maxFiles)) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined) continue;
      const what = 'Drivers of virtio are not kept from being loaded.';
      const change = planText(file, unblockVirtio(file.text), what);
      if (change !== undefined) changes.push(change);
    }
    return { changes, warnings };
  },
};
