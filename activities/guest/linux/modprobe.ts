import type { Fix, PlannedChange } from './fix.ts';
import { planText, readGuestText } from './guest-text.ts';
import { editDracutConf, editModprobe, editModulesList } from './modprobe-text.ts';

const modprobe = {
  pattern: '/etc/{modprobe.conf,modules.conf,conf.modules,modprobe.conf.local,modprobe.d/*}',
  edit: editModprobe,
  what: 'Drivers are those of virtio, and nothing keeps virtio from being loaded.',
};
const lists = {
  pattern: '/etc/{modules,modules-load.d/*.conf}',
  edit: editModulesList,
  what: 'Modules for the old hypervisor are no longer loaded; they would fail at every boot.',
};
const dracut = {
  pattern: '/etc/{dracut.conf,dracut.conf.d/*.conf}',
  edit: editDracutConf,
  what: 'An initramfs that is made anew may hold virtio drivers.',
};
/** Backups that modprobe and dracut pass over, too. */
const ignored = /(~|\.(bak|old|orig|rpmnew|rpmorig|rpmsave|dpkg-\w+))$/;
const maxFiles = 200;

/** Configuration of kernel modules that names drivers of the old hypervisor or forbids virtio. */
export const modprobeFix: Fix = {
  id: 'modprobe',
  title: 'Load the drivers of virtio',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    const seen = new Set<string>();
    for (const { pattern, edit, what } of [modprobe, lists, dracut]) {
      for (const path of (await guest.glob(pattern)).slice(0, maxFiles)) {
        if (ignored.test(path)) continue;
        const file = await readGuestText(guest, path, warnings);
        if (file === undefined || seen.has(file.path)) continue;
        seen.add(file.path);
        const change = planText(file, edit(file.text), what);
        if (change !== undefined) changes.push(change);
      }
    }
    return { changes, warnings };
  },
};
