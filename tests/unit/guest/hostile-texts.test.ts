import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localEntries } from '../../../activities/guest/inspector/fstab.ts';
import { distroOf } from '../../../activities/guest/inspector/os-release.ts';
import {
  editBlsEntry,
  editCmdlineFile,
  editExtlinux,
  editGrubCfg,
  editGrubDefault,
  editGrubLegacy,
} from '../../../activities/guest/linux/boot-config-text.ts';
import type { DeviceMap } from '../../../activities/guest/linux/device-map.ts';
import { editCrypttab, editFstab, editResume } from '../../../activities/guest/linux/fstab-text.ts';
import { changedLines } from '../../../activities/guest/linux/guest-text.ts';
import { serialConsoleArguments, stableDevices } from '../../../activities/guest/linux/kernel-arguments.ts';
import { editInittab } from '../../../activities/guest/linux/serial-console-text.ts';
import { hostileFiles, hostileText, nonsenseIn } from '../../support/hostile-texts.ts';

const map: DeviceMap = {
  diskCount: 1,
  rootDevice: '/dev/sda1',
  volumes: [
    { device: '/dev/sda1', disk: 0, partition: 1, fsType: 'ext4', uuid: 'root-1' },
    { device: '/dev/sda2', disk: 0, partition: 2, fsType: 'swap', uuid: 'swap-2' },
  ],
};

const devices = stableDevices(map, 'uuid', 'a file', []);
const both = (edit: (text: string, args: (args: string) => string) => string) => [
  (text: string) => edit(text, devices),
  (text: string) => edit(text, serialConsoleArguments),
];

const editors: [path: string, editors: ((text: string) => string)[]][] = [
  ['/etc/fstab', [(text) => editFstab(text, map).text]],
  ['/etc/crypttab', [(text) => editCrypttab(text, map).text]],
  ['/etc/initramfs-tools/conf.d/resume', [(text) => editResume(text, map).text]],
  ['/etc/default/grub', both((text, args) => editGrubDefault(text, args, /^GRUB_CMDLINE_LINUX/))],
  ['/boot/grub/grub.cfg', both(editGrubCfg)],
  ['/boot/loader/entries/hostile.conf', both(editBlsEntry)],
  ['/boot/extlinux/extlinux.conf', both(editExtlinux)],
  ['/boot/grub/menu.lst', both(editGrubLegacy)],
  ['/etc/inittab', [(text) => editInittab(text, '/sbin/getty')]],
];

describe('a file with broken lines and nonsense in it', () => {
  it.each(editors)('%s is edited once, and what means nothing stays byte for byte', (path, edits) => {
    fc.assert(
      fc.property(hostileText(hostileFiles[path] ?? []), (text) => {
        for (const edit of edits) {
          const once = edit(text);
          expect(nonsenseIn(once)).toEqual(nonsenseIn(text));
          expect(edit(once)).toBe(once);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('/etc/kernel/cmdline is left alone when it is more than one line', () => {
    fc.assert(
      fc.property(hostileText(hostileFiles['/etc/kernel/cmdline'] ?? []), (text) => {
        const once = editCmdlineFile(text, serialConsoleArguments);
        expect(editCmdlineFile(once, serialConsoleArguments)).toBe(once);
        if (/\n[^\n]/.test(text)) expect(once).toBe(text);
      }),
    );
  });

  it('never breaks a reader, whatever the bytes', () => {
    const anyFile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      ...Object.values(hostileFiles).map((lines) => hostileText(lines)),
    );
    fc.assert(
      fc.property(anyFile, anyFile, (text, other) => {
        for (const { path, device } of localEntries(text)) {
          expect(path.startsWith('/')).toBe(true);
          expect(device).not.toBe('');
        }
        distroOf({ osRelease: text, redhatRelease: other, debianVersion: text });
        const shown = changedLines(text, other);
        expect(shown.after.length).toBeLessThan(500);
      }),
      { numRuns: 60 },
    );
  });
});
