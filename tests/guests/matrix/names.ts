import { mirrorUuid } from '../lib/raid.ts';
import { isEncrypted, type MatrixGuest } from './guest.ts';
import { deviceOf, slotOf } from './layout.ts';

/** Identifiers of what a guest's disks hold. One guest runs at a time: they may be the same in all. */
export const uuids = {
  esp: '3A7E-0E51',
  boot: '3a7e1000-5000-4000-8000-0000000000b0',
  root: '3a7e1000-5000-4000-8000-0000000000a0',
  swap: '3a7e1000-5000-4000-8000-0000000000c0',
  srv: '3a7e1000-5000-4000-8000-0000000000d0',
  luks: '3a7e1000-5000-4000-8000-0000000000e0',
  mirror: '3a7e1000500040008000000000000f00',
} as const;
export const volumeGroup = 'vg';
export const machineId = '3a7e1000500040008000000000000001';
export const mirrorName = (guest: MatrixGuest): string => `${guest.name.slice(0, 24)}:0`;

/** The guest's name of the device with its root file system, as the installer chooses it. */
function rootDevice(guest: MatrixGuest): string {
  if (isEncrypted(guest)) return `/dev/mapper/${containerName(guest)}`;
  if (guest.storage === 'lvm') return `/dev/mapper/${volumeGroup}-root`;
  return guest.storage === 'md1' ? '/dev/md0' : deviceOf(slotOf(guest, 'system'));
}

/** What the LUKS container lies on. */
export function containerSource(guest: MatrixGuest): string {
  return guest.storage === 'luks1' ? deviceOf(slotOf(guest, 'system')) : `/dev/mapper/${volumeGroup}-root`;
}

export function containerName(guest: MatrixGuest): string {
  return `${containerSource(guest).slice(containerSource(guest).lastIndexOf('/') + 1)}_crypt`;
}

/** Where the guest mounts what, in fstab's fields; the order of mounting. */
export function mountsOf(
  guest: MatrixGuest,
): { device: string; path: string; type: string; options: string }[] {
  const inGroup = guest.storage.endsWith('lvm');
  const of = (role: 'swap' | 'srv') =>
    inGroup ? `/dev/${volumeGroup}/${role}` : deviceOf(slotOf(guest, role));
  const rootOptions = { ext4: 'errors=remount-ro', xfs: 'defaults', btrfs: `defaults,subvol=${subvolume}` };
  const mount = (device: string, path: string, type: string, options: string) => ({
    device,
    path,
    type,
    options,
  });
  return [
    mount(rootDevice(guest), '/', guest.fs, rootOptions[guest.fs]),
    ...(hasBoot(guest) ? [mount(deviceOf(slotOf(guest, 'boot')), '/boot', 'ext4', 'defaults')] : []),
    ...(guest.boot === 'bios'
      ? []
      : [mount(deviceOf(slotOf(guest, 'esp')), '/boot/efi', 'vfat', 'umask=0077')]),
    mount(of('srv'), '/srv', 'ext4', 'defaults'),
    mount(of('swap'), 'none', 'swap', 'sw'),
  ];
}

/** Debian's installer puts a btrfs root into this subvolume. */
export const subvolume = '@rootfs';

export const hasBoot = (guest: MatrixGuest): boolean => isEncrypted(guest) && guest.boot !== 'systemd-boot';

/** The kernel's arguments that say where root is, without the first `root=`. */
export function rootArgument(guest: MatrixGuest): string {
  const root = guest.storage === 'md1' ? `UUID=${uuids.root}` : rootDevice(guest);
  const flags = guest.fs === 'btrfs' ? [`rootflags=subvol=${subvolume}`] : [];
  return [root, ...flags, ...(guest.initramfs === 'dracut' ? dracutArguments(guest) : [])].join(' ');
}

/** dracut.cmdline(7): a generic image assembles only what it is told to. */
function dracutArguments({ storage }: MatrixGuest): string[] {
  if (storage === 'md1') return [`rd.md.uuid=${mirrorUuid(uuids.mirror)}`];
  return storage.endsWith('lvm') ? [`rd.lvm.lv=${volumeGroup}/root`] : [];
}
