import { describe, expect, it } from 'vitest';
import { localEntries } from '../../../activities/guest/inspector/fstab.ts';
import { parseOsRelease } from '../../../activities/guest/inspector/os-release.ts';
import { swapFilesOf } from '../../../activities/guest/inspector/refusals.ts';
import * as boot from '../../../activities/guest/linux/boot-config-text.ts';
import * as menu from '../../../activities/guest/linux/boot-menu-text.ts';
import type { DeviceMap } from '../../../activities/guest/linux/device-map.ts';
import { editCrypttab, editFstab, editResume } from '../../../activities/guest/linux/fstab-text.ts';
import { editBootDisks, editDeviceMap } from '../../../activities/guest/linux/grub-disks-text.ts';
import { renameInHosts } from '../../../activities/guest/linux/hostname-text.ts';
import { addMkinitcpioModules } from '../../../activities/guest/linux/initramfs-tools-text.ts';
import { dropForcedPartUuid } from '../../../activities/guest/linux/initrdless-text.ts';
import { serialConsoleArguments, stableDevices } from '../../../activities/guest/linux/kernel-arguments.ts';
import { datasourceSettings } from '../../../activities/guest/linux/leftovers/cloud-datasource-text.ts';
import { programsOf } from '../../../activities/guest/linux/leftovers/udev-programs-text.ts';
import { editDevicesFile, editLvmFilters } from '../../../activities/guest/linux/lvm-text.ts';
import { editDracutConf, editModprobe } from '../../../activities/guest/linux/modprobe-text.ts';
import { readIfcfg } from '../../../activities/guest/linux/network/ifcfg.ts';
import { readInterfaces } from '../../../activities/guest/linux/network/ifupdown.ts';
import { readKeyfile } from '../../../activities/guest/linux/network/keyfile.ts';
import { readNetworkd } from '../../../activities/guest/linux/network/networkd.ts';
import { readDhcpcd, readNetctl, readWickedXml } from '../../../activities/guest/linux/network/others.ts';
import { renew, renewDrivers } from '../../../activities/guest/linux/network/renewal.ts';
import {
  dropStaleRules,
  readMactab,
  readPersistentRules,
} from '../../../activities/guest/linux/network/rules.ts';
import { addKeys } from '../../../activities/guest/linux/ssh-keys-text.ts';
import { selinuxConfig } from '../../../activities/guest/linux/selinux-text.ts';
import { editInittab } from '../../../activities/guest/linux/serial-console-text.ts';

/**
 * A guest can write any line as long as a configuration file may have it. Everything that is read or edited
 * takes a time in proportion to its length, whatever is repeated in it.
 */
const lineChars = 8000;
const maxMs = 120;

const map: DeviceMap = {
  diskCount: 1,
  volumes: [{ device: '/dev/sda1', disk: 0, partition: 1, fsType: 'ext4', uuid: 'R' }],
};
const devices = stableDevices(map, 'uuid', 'a file', []);
const macs = new Map([['00:50:56:00:00:01', '52:54:00:00:00:0a']]);

/** Each with the beginnings of lines that it knows. */
const functions: Record<string, [(text: string) => unknown, ...string[]]> = {
  editGrubCfg: [
    (text) => boot.editGrubCfg(text, devices),
    'linux ',
    'linux /',
    'module ',
    'module --nounzip ',
    'set kernelopts="',
    'set rootpartition=',
  ],
  consoleOfGrubCfg: [
    (text) => boot.editGrubCfg(text, serialConsoleArguments),
    'linux /vmlinuz ',
    'linux /vmlinuz console=hvc0',
  ],
  editGrubDefault: [
    (text) => boot.editGrubDefault(text, devices, /LINUX/),
    'GRUB_CMDLINE_LINUX=',
    'GRUB_CMDLINE_LINUX="',
  ],
  editBlsEntry: [(text) => boot.editBlsEntry(text, devices), 'options '],
  editExtlinux: [(text) => boot.editExtlinux(text, devices), 'append '],
  editGrubLegacy: [(text) => boot.editGrubLegacy(text, devices), 'kernel ', 'kernel (', '# kopt='],
  editCmdlineFile: [(text) => boot.editCmdlineFile(text, devices), 'root='],
  parseGrubMenu: [menu.parseGrubMenu, 'menuentry ', "menuentry 'x' --id ", 'menuentry x {\nlinux '],
  grubCfgDefault: [menu.grubCfgDefault, 'set default=', 'set '],
  setGrubDefaultVariable: [(text) => menu.setGrubDefaultVariable(text, 'x'), 'GRUB_DEFAULT='],
  parseLegacyMenu: [
    menu.parseLegacyMenu,
    'title ',
    'title x\nkernel ',
    'kernel (hd0,0)',
    'title x',
    'title x\nkernel /k',
  ],
  legacyMenuDefault: [menu.legacyMenuDefault, 'default', 'default ', 'default='],
  parseExtlinuxMenu: [menu.parseExtlinuxMenu, 'label ', 'label x', 'kernel '],
  setExtlinuxDefault: [(text) => menu.setExtlinuxDefault(text, 'x'), 'default ', 'default x'],
  setLoaderConfDefault: [(text) => menu.setLoaderConfDefault(text, 'x'), 'default '],
  parseBlsEntry: [(text) => menu.parseBlsEntry(text, 'x'), 'title ', 'title x', 'options ', 'linux '],
  editFstab: [
    (text) => editFstab(text, map),
    '/dev/sda1 ',
    '/dev/sda1 / ext4 ',
    '/dev/sda1 / ext4 device=/dev/',
  ],
  editCrypttab: [(text) => editCrypttab(text, map), 'x ', 'x /dev/sda1 '],
  editResume: [(text) => editResume(text, map), 'RESUME=', 'RESUME=/dev/'],
  localEntries: [localEntries, '/dev/sda1 ', '/dev/sda1 /'],
  swapFilesOf: [swapFilesOf, '/', '/swap '],
  parseOsRelease: [parseOsRelease, 'ID=', 'ID=x', 'ID="'],
  editDeviceMap: [(text) => editDeviceMap(text, 1), '(hd0) ', '(hd0) /dev/'],
  editBootDisks: [(text) => editBootDisks(text, 1), 'boot=', 'boot=/dev/'],
  renameInHosts: [(text) => renameInHosts(text, 'old', 'new'), '127.0.0.1 '],
  addMkinitcpioModules: [(text) => addMkinitcpioModules(text, ['x']), 'MODULES=(', 'MODULES="'],
  dropForcedPartUuid: [dropForcedPartUuid, 'export ', 'GRUB_FORCE_PARTUUID='],
  datasourceSettings: [
    (text) => datasourceSettings([{ path: '/x', text: text.slice(0, 9000) }]),
    'datasource_list',
  ],
  programsOf: [programsOf, 'RUN+="', 'PROGRAM="'],
  editDevicesFile: [(text) => editDevicesFile(text, []), 'IDTYPE='],
  editLvmFilters: [(text) => editLvmFilters(text, []), 'filter = [', 'filter = [ "a', 'filter="'],
  editModprobe: [editModprobe, 'alias ', 'alias scsi_hostadapter x', 'install virtio_blk '],
  editDracutConf: [editDracutConf, 'omit_drivers+="', 'omit_drivers+=" x " '],
  readIfcfg: [(text) => readIfcfg('ifcfg-x', text), 'DEVICE=', 'DEVICE="'],
  readInterfaces: [readInterfaces, 'iface ', 'auto ', 'mapping '],
  readKeyfile: [readKeyfile, '[', '[connection]\nid=', '[ipv4]\naddress1='],
  readNetworkd: [readNetworkd, '[Match]\nName=', '[Network]\nAddress='],
  readNetctl: [readNetctl, 'Interface=x\nConnection=bond\nBindsToInterfaces='],
  readDhcpcd: [readDhcpcd, 'interface ', 'static ip_address='],
  readWickedXml: [readWickedXml, '<interface', '<interface>', '<interface><name'],
  renew: [(text) => renew(text, macs), 'HWADDR=', 'auto ', 'rename mac', 'Path=', '['],
  renewDrivers: [(text) => renewDrivers(text, 'virtio'), 'driver=', 'x: {driver: '],
  readPersistentRules: [readPersistentRules, 'SUBSYSTEM=="net", ', 'NAME="'],
  dropStaleRules: [(text) => dropStaleRules(text, new Set()), 'SUBSYSTEM=="net", ', 'NAME="'],
  readMactab: [readMactab, 'eth0 ', 'eth0 mac='],
  addKeys: [(text) => addKeys(text, ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA x']), 'ssh-ed25519 ', 'x ssh-'],
  selinuxConfig: [selinuxConfig, 'SELINUX='],
  editInittab: [(text) => editInittab(text, '/sbin/getty'), 'x:', 'co:2345:respawn:'],
};

const repeated = [
  'a',
  ' ',
  '\n',
  '"',
  'linux',
  ' root=',
  'xroot=',
  '--a ',
  '{ ',
  'driver: ',
  ' mac/',
  '/dev/sda',
  ' console=hvc0',
  '<interface>',
  '<name ',
  "--id '",
  '", "',
  'ssh-',
];
const ends = ['', '!', '\rx', ' x {'];

function cpuMs(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a long line', () => {
  it.each(Object.entries(functions))(
    'is read by %s in a time that its length is worth',
    (_name, [run, ...starts]) => {
      const slow: string[] = [];
      for (const start of ['', ...starts])
        for (const word of repeated)
          for (const end of ends) {
            const line = `${start}${word.repeat(lineChars / word.length)}${end}`;
            const text = `${line}\n`.repeat(4);
            // The first time may be that of a compiler or of a collector of garbage.
            const ms = Math.min(
              ...[0, 1].map((turn) => (turn === 0 || slow.length < 3 ? cpuMs(() => run(text)) : 0)),
            );
            if (ms > maxMs)
              slow.push(
                `${JSON.stringify(start)} ${JSON.stringify(word)} ${JSON.stringify(end)}: ${Math.round(ms)} ms`,
              );
            if (slow.length > 2) break;
          }
      expect(slow).toEqual([]);
    },
    60_000,
  );
});
