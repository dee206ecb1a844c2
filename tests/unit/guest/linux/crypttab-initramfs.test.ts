import { expect, it } from 'vitest';
import type { FixContext } from '../../../../activities/guest/linux/fix.ts';
import { fstabFix } from '../../../../activities/guest/linux/fstab.ts';
import { outdatesInitramfs } from '../../../../activities/guest/linux/initramfs-texts.ts';
import { filesGuest } from '../../../support/files-guest.ts';

it("names the container by UUID in the crypttab of mkinitcpio's sd-encrypt, and in the image that has it", async () => {
  const path = '/etc/crypttab.initramfs';
  const { guest, files } = filesGuest({ [path]: 'root /dev/sda2 none luks\n' });
  const facts = { os: 'linux', firmware: 'bios', mountpoints: [], kernels: [], warnings: [] };
  const { changes, warnings } = await fstabFix.plan({ guest, facts } as unknown as FixContext);
  for (const change of changes) await change.apply(guest);
  expect(warnings).toEqual([]);
  expect(files.get(path)).toBe('root UUID=on-sda2 none luks\n');
  expect(changes.map(outdatesInitramfs)).toEqual([true]);
});
