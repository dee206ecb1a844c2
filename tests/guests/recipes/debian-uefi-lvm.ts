import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configureDebian, grubConfig, inGuest, kernelVersion, writeFiles } from '../lib/debian.ts';
import { createDisk, GiB, makeExt4, makeFat, makeSwap, MiB } from '../lib/disk.ts';
import { makeVolumeGroup } from '../lib/lvm.ts';
import { debianPackages, unpackDebian } from '../lib/rootfs.ts';
import { run, type Say } from '../lib/run.ts';
import { rawDisk, type Recipe } from './recipe.ts';

const uuids = {
  esp: 'DEB1-0EF1',
  boot: 'deb10ef1-5000-4000-8000-000000000002',
  root: 'deb10ef1-5000-4000-8000-000000000003',
  swap: 'deb10ef1-5000-4000-8000-000000000004',
};
const diskBytes = 4 * GiB;
const esp = { offsetBytes: MiB, sizeBytes: 128 * MiB };
const boot = { offsetBytes: 129 * MiB, sizeBytes: 383 * MiB };
/** The last MiB holds GPT's second table. */
const physical = { offsetBytes: 512 * MiB, sizeBytes: diskBytes - 513 * MiB };
const rootBytes = 3 * GiB;
const swapBytes = 256 * MiB;

export const debianUefiLvm: Recipe = {
  about:
    'Debian 12, UEFI, NVMe disk, GPT, root on LVM (/dev/mapper/vg-root), systemd-networkd with a static address on ens192',
  disks: 1,
  packages: debianPackages,
  madeOf: ['recipes/debian-uefi-lvm.ts'],
  build: (dir, say) => buildUefi(dir, say, { fallbackLoader: true }),
};

export const debianUefiLvmNoFallback: Recipe = {
  about:
    'debian-uefi-lvm with its loader in /EFI/debian alone, as where the firmware had a boot entry for it',
  disks: 1,
  packages: debianPackages,
  madeOf: ['recipes/debian-uefi-lvm.ts'],
  build: (dir, say) => buildUefi(dir, say, { fallbackLoader: false }),
};

async function buildUefi(dir: string, say: Say, options: { fallbackLoader: boolean }): Promise<void> {
  const tree = join(dir, 'root');
  await unpackDebian(tree, say);
  say('configuring the system');
  await configureSystem(tree);

  say('making the disk');
  const disk = rawDisk(dir, 0);
  await createDisk(disk, {
    label: 'gpt',
    id: 'DEB10EF1-5000-4000-8000-000000000000',
    sizeBytes: diskBytes,
    partitions: [
      { type: 'uefi', startBytes: esp.offsetBytes, sizeBytes: esp.sizeBytes },
      { type: 'linux', startBytes: boot.offsetBytes, sizeBytes: boot.sizeBytes },
      { type: 'lvm', startBytes: physical.offsetBytes, sizeBytes: physical.sizeBytes },
    ],
  });
  await makeEsp(dir, disk, tree, options.fallbackLoader);

  const bootTree = join(dir, 'boot');
  await run('mv', [join(tree, 'boot'), bootTree]);
  await mkdir(join(tree, 'boot'));
  await makeExt4(disk, { ...boot, uuid: uuids.boot, from: bootTree });
  const volumes = await makeVolumeGroup(disk, physical, 'vg', [
    { name: 'root', sizeBytes: rootBytes },
    { name: 'swap', sizeBytes: swapBytes },
  ]);
  const at = (volume: string) => physical.offsetBytes + (volumes.get(volume) ?? Number.NaN);
  await makeExt4(disk, { offsetBytes: at('root'), sizeBytes: rootBytes, uuid: uuids.root, from: tree });
  await makeSwap(disk, { offsetBytes: at('swap'), sizeBytes: swapBytes, uuid: uuids.swap });
  await run('rm', ['-r', tree, bootTree]);
}

async function configureSystem(tree: string): Promise<void> {
  const version = await kernelVersion(tree);
  await configureDebian(tree, {
    hostname: 'debian-uefi-lvm',
    machineId: 'deb10ef1500040008000000000000001',
    fstab: [
      '/dev/mapper/vg-root  /          ext4  errors=remount-ro  0  1',
      '/dev/nvme0n1p2       /boot      ext4  defaults           0  2',
      '/dev/nvme0n1p1       /boot/efi  vfat  umask=0077         0  1',
      '/dev/mapper/vg-swap  none       swap  sw                 0  0',
    ],
    grubDefaults: [],
  });
  const setRoot = [
    'insmod part_gpt',
    'insmod ext2',
    "set root='hd0,gpt2'",
    `search --no-floppy --fs-uuid --set=root ${uuids.boot}`,
  ];
  await writeFiles(tree, {
    'etc/systemd/network/10-ens192.network': [
      '[Match]',
      'Name=ens192',
      '',
      '[Network]',
      'Address=192.168.122.63/24',
      'Gateway=192.168.122.1',
    ],
    'boot/grub/grub.cfg': grubConfig(version, setRoot, '', '/dev/mapper/vg-root'),
  });
  await inGuest(tree, 'systemctl', 'enable', 'systemd-networkd.service');
  await mkdir(join(tree, 'boot/efi'));
  await cp(join(tree, 'usr/lib/grub/x86_64-efi'), join(tree, 'boot/grub/x86_64-efi'), { recursive: true });
}

/** GRUB's prebuilt loader looks for /EFI/debian/grub.cfg, which sends it on to /boot. */
async function makeEsp(dir: string, disk: string, tree: string, fallbackLoader: boolean): Promise<void> {
  const loader = join(tree, 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi');
  const config = join(dir, 'esp-grub.cfg');
  const lines = [
    `search.fs_uuid ${uuids.boot} root hd0,gpt2`,
    "set prefix=($root)'/grub'",
    'configfile $prefix/grub.cfg',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const files = new Map([
    ['EFI/debian/grubx64.efi', loader],
    ['EFI/debian/grub.cfg', config],
  ]);
  if (fallbackLoader) files.set('EFI/BOOT/BOOTX64.EFI', loader);
  await makeFat(disk, { ...esp, volumeId: uuids.esp.replace('-', ''), files });
  await run('rm', [config]);
}
