import { listedBuiltins } from '../inspector/kernels.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planText, readGuestText } from './guest-text.ts';
import { dropForcedPartUuid, takeInitramfs } from './initrdless-text.ts';
import { isPlainVersion } from './kernel-drivers.ts';

const menu = '/boot/grub/grub.cfg';
const settings = '/etc/default/{grub,grub.d/*.cfg}';
const maxFiles = 100;

/**
 * A kernel that has its initramfs is started with it. Ubuntu's images for clouds do so only after a first boot
 * without it ended in a panic, which on virtio it does wherever the disk's driver is a module.
 */
export const initrdlessFix: Fix = {
  id: 'initrdless',
  title: 'Start the kernel with its initramfs',
  critical: true,
  applies: (facts) => facts.os === 'linux' && facts.bootloader === 'grub2',
  async plan({ guest, facts }) {
    const changes: (PlannedChange | undefined)[] = [];
    const warnings: string[] = [];
    const file = await readGuestText(guest, menu, warnings);
    const forced = file !== undefined && takeInitramfs(file.text) !== file.text;
    const kernels = facts.kernels.filter(({ bootable }) => bootable);
    if (!forced || (await allBuiltIn(guest, kernels))) return { changes: [], warnings };

    const what = 'The kernel is started with its initramfs at once, and not only after a panic without it.';
    changes.push(planText(file, takeInitramfs(file.text), what));
    for (const path of (await guest.glob(settings)).slice(0, maxFiles)) {
      const setting = await readGuestText(guest, path, warnings);
      if (setting === undefined) continue;
      const later = 'So it is in every later menu.';
      changes.push(planText(setting, dropForcedPartUuid(setting.text), later));
    }
    return { changes: changes.filter((change) => change !== undefined), warnings };
  },
};

/** Whether every kernel finds a virtio disk without any module. */
async function allBuiltIn(guest: Guestfs, kernels: readonly { version: string }[]): Promise<boolean> {
  for (const { version } of kernels) {
    const listed = isPlainVersion(version) ? await listedBuiltins(guest, version) : undefined;
    if (!listed?.has('virtio_blk') || !listed.has('virtio_pci')) return false;
  }
  return true;
}
