import type { Firmware, GuestFacts, Mountpoint } from '../../../contracts/values.ts';
import { efiSystemPartition } from '../../image/partition-table.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { BlockDevices } from './block-devices.ts';

/** Loaders on an EFI system partition, in paths as they lie under its mount point. */
interface EfiLoaders {
  any: boolean;
  /** \EFI\BOOT\BOOT*.EFI, what firmware starts when it remembers nothing. */
  fallback: boolean;
}

/** The usual places of the configuration of each boot loader. */
const loaders: [GuestFacts['bootloader'], string[]][] = [
  ['grub2', ['/boot/grub2/grub.cfg', '/boot/grub/grub.cfg', '/boot/efi/EFI/*/grub.cfg']],
  ['systemd-boot', ['/boot/loader/loader.conf', '/efi/loader/loader.conf', '/boot/efi/loader/loader.conf']],
  ['grub-legacy', ['/boot/grub/menu.lst', '/boot/grub/grub.conf']],
  ['extlinux', ['/boot/extlinux/extlinux.conf', '/boot/extlinux.conf', '/boot/syslinux/syslinux.cfg']],
];

export async function findBootloader(guest: Guestfs): Promise<GuestFacts['bootloader']> {
  for (const [bootloader, places] of loaders) {
    for (const place of places) {
      const found = place.includes('*') ? (await guest.glob(place)).length > 0 : await guest.exists(place);
      if (found) return bootloader;
    }
  }
  return 'unknown';
}

/** The tool that makes this guest's initramfs. Debian's dracut package takes over update-initramfs. */
export async function findInitramfsTool(guest: Guestfs): Promise<GuestFacts['initramfsTool']> {
  const has = async (...names: string[]) => {
    for (const name of names) if (await guest.isFile(name)) return true;
    return false;
  };
  if (await has('/usr/sbin/mkinitramfs')) return 'initramfs-tools';
  if (await has('/usr/bin/dracut', '/usr/sbin/dracut', '/sbin/dracut')) return 'dracut';
  if (await has('/usr/bin/mkinitcpio', '/usr/sbin/mkinitcpio')) return 'mkinitcpio';
  return 'none';
}

/**
 * The firmware the guest boots with, from what its disks offer. Where both ways are open, UEFI wins when the
 * fallback loader is there, because the boot entries in the source's NVRAM do not come along; else BIOS.
 *
 * Before: the guest is mounted. After: so it is still, unless an EFI system partition outside its fstab had
 * to be looked at; then nothing is mounted and `remount` is true.
 */
export async function findFirmware(
  guest: Guestfs,
  devices: BlockDevices,
  mountpoints: readonly Mountpoint[],
): Promise<{ firmware: Firmware; remount: boolean }> {
  const esps = efiPartitions(devices);
  const hasBiosCode = offersBios(devices);
  if (esps.length === 0) return { firmware: 'bios', remount: false };
  const mounted = mountpoints.filter(({ device }) => esps.includes(device));
  let efi: EfiLoaders = { any: false, fallback: false };
  for (const { path } of mounted) efi = either(efi, await efiLoaders(guest, path));
  let remount = false;
  if (!efi.any) {
    for (const device of esps.filter((esp) => !mounted.some((mount) => mount.device === esp))) {
      remount = true;
      await guest.umountAll();
      await guest.mount(device, '/', 'ro');
      efi = either(efi, await efiLoaders(guest, ''));
    }
  }
  if (remount) await guest.umountAll();
  const firmware = efi.any && (efi.fallback || !hasBiosCode) ? 'uefi' : 'bios';
  return { firmware, remount };
}

/** FAT file systems on partitions of the EFI type. */
function efiPartitions(devices: BlockDevices): string[] {
  return devices.ofType('vfat').filter((device) => {
    const entry = devices.partition(device);
    return entry !== undefined && efiSystemPartition.includes(entry.type);
  });
}

function offersBios(devices: BlockDevices): boolean {
  const [boot] = devices.disks;
  return boot !== undefined && devices.table(boot).hasBootCode;
}

/** FAT knows no case: names are compared without. */
async function efiLoaders(guest: Guestfs, esp: string): Promise<EfiLoaders> {
  const efi = await childNamed(guest, esp === '' ? '/' : esp, /^efi$/i);
  if (efi === undefined) return { any: false, fallback: false };
  let loaders: EfiLoaders = { any: false, fallback: false };
  for (const vendor of (await guest.ls(efi)).slice(0, 32)) {
    if (!(await guest.isDir(`${efi}/${vendor}`))) continue;
    const names = await guest.ls(`${efi}/${vendor}`);
    const fallback =
      /^boot$/i.test(vendor) && names.some((name) => /^boot(x64|ia32|aa64|riscv64)\.efi$/i.test(name));
    loaders = either(loaders, { any: names.some((name) => /\.efi$/i.test(name)), fallback });
  }
  return loaders;
}

async function childNamed(guest: Guestfs, parent: string, pattern: RegExp): Promise<string | undefined> {
  const name = (await guest.ls(parent)).find((child) => pattern.test(child));
  if (name === undefined) return undefined;
  const path = parent === '/' ? `/${name}` : `${parent}/${name}`;
  return (await guest.isDir(path)) ? path : undefined;
}

function either(a: EfiLoaders, b: EfiLoaders): EfiLoaders {
  return { any: a.any || b.any, fallback: a.fallback || b.fallback };
}
