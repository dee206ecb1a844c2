import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { grubConfig, inGuest, writeFiles } from '../lib/debian.ts';
import { makeFat } from '../lib/disk.ts';
import { writeBiosGrub } from '../lib/grub.ts';
import type { MatrixGuest } from './guest.ts';
import { slotOf } from './layout.ts';
import { hasBoot, machineId, rootArgument, subvolume, uuids, volumeGroup } from './names.ts';

/** Where GRUB finds the file system with its own files and the kernels. */
function grubPlace(guest: MatrixGuest): {
  device: string;
  modules: string[];
  directory: string;
  uuid: string;
} {
  const separate = hasBoot(guest);
  const slot = slotOf(guest, separate ? 'boot' : 'system');
  const partition = guest.boot === 'bios' ? `msdos${slot.number}` : `gpt${slot.number}`;
  const table = guest.boot === 'bios' ? 'part_msdos' : 'part_gpt';
  const file = { ext4: 'ext2', xfs: 'xfs', btrfs: 'btrfs' }[separate ? 'ext4' : guest.fs];
  const below =
    separate || guest.storage === 'plain'
      ? []
      : guest.storage === 'lvm'
        ? ['lvm']
        : ['diskfilter', 'mdraid1x'];
  const device =
    below.length === 0
      ? `hd0,${partition}`
      : guest.storage === 'lvm'
        ? `lvm/${volumeGroup}-root`
        : `mduuid/${uuids.mirror}`;
  const inRoot = guest.fs === 'btrfs' ? `/${subvolume}/boot` : '/boot';
  return {
    device,
    modules: [table, ...below, file],
    directory: separate ? '' : inRoot,
    uuid: separate ? uuids.boot : uuids.root,
  };
}

/** Writes GRUB's files into the guest's tree, as grub-install and update-grub leave them. */
export async function configureGrub(tree: string, guest: MatrixGuest, version: string): Promise<void> {
  const { device, modules, directory, uuid } = grubPlace(guest);
  const setRoot = [
    ...modules.map((module) => `insmod ${module}`),
    `set root='${device}'`,
    `search --no-floppy --fs-uuid --set=root ${uuid}`,
  ];
  await writeFiles(tree, {
    'boot/grub/grub.cfg': grubConfig(version, setRoot, directory, rootArgument(guest)),
  });
  const target = guest.boot === 'bios' ? 'i386-pc' : 'x86_64-efi';
  await cp(join(tree, `usr/lib/grub/${target}`), join(tree, `boot/grub/${target}`), { recursive: true });
  await rm(join(tree, `boot/grub/${target}/monolithic`), { recursive: true, force: true });
}

/** Makes the core image with the guest's own GRUB and writes it where the BIOS starts it. */
export async function installGrub(disks: readonly string[], tree: string, guest: MatrixGuest): Promise<void> {
  const { device, modules, directory } = grubPlace(guest);
  const prefix = device.startsWith('hd0') ? `(${device.slice('hd0'.length)})` : `(${device})`;
  const core = join(tree, 'core.img');
  const wanted = ['biosdisk', ...modules, 'search_fs_uuid'];
  const options = ['-O', 'i386-pc', '-p', `${prefix}${directory}/grub`, '-o', '/core.img'];
  await inGuest(tree, 'grub-mkimage', ...options, ...wanted);
  const boot = await readFile(join(tree, 'usr/lib/grub/i386-pc/boot.img'));
  // The second half of a mirror can be started from, too.
  for (const disk of disks)
    await writeBiosGrub(disk, boot, await readFile(core), slotOf(guest, 'system').offsetBytes);
  await rm(core);
}

/** Makes the EFI system partition with the guest's loader. */
export async function makeEsp(
  disk: string,
  tree: string,
  guest: MatrixGuest,
  version: string,
): Promise<void> {
  const scratch = `${disk}.esp`;
  await mkdir(scratch);
  const files =
    guest.boot === 'uefi'
      ? await grubFiles(scratch, tree, guest)
      : await systemdBootFiles(scratch, tree, guest, version);
  const { offsetBytes, sizeBytes } = slotOf(guest, 'esp');
  await makeFat(disk, { offsetBytes, sizeBytes, volumeId: uuids.esp.replace('-', ''), files });
  await rm(scratch, { recursive: true });
}

/** GRUB's prebuilt loader looks for /EFI/debian/grub.cfg, which sends it on to /boot. */
async function grubFiles(scratch: string, tree: string, guest: MatrixGuest): Promise<Map<string, string>> {
  const { device, directory, uuid } = grubPlace(guest);
  const loader = join(tree, 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi');
  const config = join(scratch, 'grub.cfg');
  const lines = [
    `search.fs_uuid ${uuid} root ${device}`,
    `set prefix=($root)'${directory}/grub'`,
    'configfile $prefix/grub.cfg',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const files = new Map([
    ['EFI/debian/grubx64.efi', loader],
    ['EFI/debian/grub.cfg', config],
  ]);
  if (guest.fallbackLoader) files.set('EFI/BOOT/BOOTX64.EFI', loader);
  return files;
}

/** What bootctl install and kernel-install leave; the Boot Loader Specification's type 1. */
async function systemdBootFiles(
  scratch: string,
  tree: string,
  guest: MatrixGuest,
  version: string,
): Promise<Map<string, string>> {
  const entry = join(scratch, 'entry.conf');
  const config = join(scratch, 'loader.conf');
  const directory = `${machineId}/${version}`;
  const lines = [
    '# Boot Loader Specification type#1 entry',
    '# File created by /usr/lib/kernel/install.d/90-loaderentry.install',
    `title      Debian GNU/Linux ${guest.release}`,
    `version    ${version}`,
    `machine-id ${machineId}`,
    'sort-key   debian',
    `options    root=${rootArgument(guest)} ro quiet`,
    `linux      /${directory}/linux`,
    `initrd     /${directory}/initrd.img-${version}`,
  ];
  await writeFile(entry, `${lines.join('\n')}\n`);
  await writeFile(config, '#timeout 3\n#console-mode keep\n');
  const loader = join(tree, 'usr/lib/systemd/boot/efi/systemd-bootx64.efi');
  return new Map([
    ['EFI/systemd/systemd-bootx64.efi', loader],
    ['EFI/BOOT/BOOTX64.EFI', loader],
    ['loader/loader.conf', config],
    [`loader/entries/${machineId}-${version}.conf`, entry],
    [`${directory}/linux`, join(tree, `boot/vmlinuz-${version}`)],
    [`${directory}/initrd.img-${version}`, join(tree, `boot/initrd.img-${version}`)],
  ]);
}
