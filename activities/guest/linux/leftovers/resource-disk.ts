import type { Fix } from '../fix.ts';
import { planText, readGuestText } from '../guest-text.ts';
import { cloudMark, dropLentDisks } from './resource-disk-text.ts';

/**
 * Before the fstab fix, which would take /dev/sdb1 for the second migrated disk, and before Azure's agent goes,
 * whose configuration tells that the second disk was the temporary one.
 */
export const resourceDiskFix: Fix = {
  id: 'resource-disk',
  title: "Forget the former cloud's temporary disk",
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts }) {
    const warnings: string[] = [];
    const file = await readGuestText(guest, '/etc/fstab', warnings);
    if (file === undefined) return { changes: [], warnings };
    const azure = file.text.includes(cloudMark) && (await guest.exists('/etc/waagent.conf'));
    const present = azure ? [] : facts.mountpoints.map(({ path }) => path);
    const after = dropLentDisks(file.text, present);
    const change = planText(file, after, 'The temporary disk that the cloud lent is not mounted any more.');
    return { changes: change === undefined ? [] : [change], warnings };
  },
};
