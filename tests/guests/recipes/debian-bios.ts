import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { configureDebian, grubConfig, inGuest, kernelVersion, writeFiles } from '../lib/debian.ts';
import { createDisk, GiB, makeExt4, makeSwap, MiB } from '../lib/disk.ts';
import { installBiosGrub } from '../lib/grub.ts';
import { debianPackages, unpackDebian } from '../lib/rootfs.ts';
import { run, type Say } from '../lib/run.ts';
import { rawDisk, type Recipe } from './recipe.ts';

const uuids = {
  root: 'deb10b10-5000-4000-8000-000000000001',
  swap: 'deb10b10-5000-4000-8000-000000000005',
};
const diskBytes = 3 * GiB;
/** As the installer lays it out: root, and swap in a logical partition at the end. */
const root = { offsetBytes: MiB, sizeBytes: diskBytes - 258 * MiB };
const extended = { offsetBytes: root.offsetBytes + root.sizeBytes, sizeBytes: 257 * MiB };
const swap = { offsetBytes: extended.offsetBytes + MiB, sizeBytes: 256 * MiB };

export interface Variant {
  hostname: string;
  address: string;
  /** What grub.cfg says for root=. */
  rootArgument: string;
  grubDefaults: readonly string[];
  /** Changes the initramfs of the Debian system at `root`. */
  initramfs(root: string): Promise<void>;
}

export const debianBios: Recipe = {
  about: 'Debian 12, BIOS, ext4; /dev/sda1 and /dev/sda5 in fstab and grub.cfg, static address on ens192',
  disks: 1,
  packages: debianPackages,
  madeOf: ['recipes/debian-bios.ts'],
  build: (dir, say) =>
    buildBios(dir, say, {
      hostname: 'debian-bios',
      address: '192.168.122.61',
      rootArgument: '/dev/sda1',
      grubDefaults: ['GRUB_DISABLE_LINUX_UUID=true'],
      initramfs: () => Promise.resolve(),
    }),
};

export const debianBiosNoVirtio: Recipe = {
  about:
    'debian-bios whose initramfs has the drivers of VMware only (MODULES=dep); grub.cfg names root by UUID',
  disks: 1,
  packages: debianPackages,
  madeOf: ['recipes/debian-bios.ts'],
  build: (dir, say) =>
    buildBios(dir, say, {
      hostname: 'debian-bios-novirtio',
      address: '192.168.122.62',
      rootArgument: `UUID=${uuids.root}`,
      grubDefaults: [],
      initramfs: vmwareInitramfs,
    }),
};

export async function buildBios(dir: string, say: Say, variant: Variant): Promise<void> {
  const tree = join(dir, 'root');
  await unpackDebian(tree, say);
  const version = await kernelVersion(tree);

  say('configuring the system');
  await configureDebian(tree, {
    hostname: variant.hostname,
    machineId: 'deb10b10500040008000000000000001',
    fstab: [
      '/dev/sda1  /     ext4  errors=remount-ro  0  1',
      '/dev/sda5  none  swap  sw                 0  0',
    ],
    grubDefaults: variant.grubDefaults,
  });
  const setRoot = [
    'insmod part_msdos',
    'insmod ext2',
    "set root='hd0,msdos1'",
    `search --no-floppy --fs-uuid --set=root ${uuids.root}`,
  ];
  await writeFiles(tree, {
    'etc/network/interfaces': [
      'source /etc/network/interfaces.d/*',
      '',
      'auto lo',
      'iface lo inet loopback',
      '',
      '# The primary network interface',
      'allow-hotplug ens192',
      'iface ens192 inet static',
      `\taddress ${variant.address}/24`,
      '\tgateway 192.168.122.1',
    ],
    'boot/grub/grub.cfg': grubConfig(version, setRoot, '/boot', variant.rootArgument),
    'boot/grub/device.map': ['(hd0)\t/dev/sda'],
  });
  await variant.initramfs(tree);

  say('making the disk');
  const modules = join(tree, 'usr/lib/grub/i386-pc');
  await cp(modules, join(tree, 'boot/grub/i386-pc'), { recursive: true });
  await makeDisk(rawDisk(dir, 0), tree, modules);
  await run('rm', ['-r', tree]);
}

async function makeDisk(disk: string, tree: string, modules: string): Promise<void> {
  await createDisk(disk, {
    label: 'dos',
    id: '0xdeb10b10',
    sizeBytes: diskBytes,
    partitions: [
      { type: '83', startBytes: root.offsetBytes, sizeBytes: root.sizeBytes, bootable: true },
      { type: '5', startBytes: extended.offsetBytes, sizeBytes: extended.sizeBytes },
      { type: '82', startBytes: swap.offsetBytes, sizeBytes: swap.sizeBytes, number: 5 },
    ],
  });
  await makeExt4(disk, { ...root, uuid: uuids.root, from: tree });
  await makeSwap(disk, { ...swap, uuid: uuids.swap });
  const core = ['biosdisk', 'part_msdos', 'ext2', 'search_fs_uuid'];
  await installBiosGrub(disk, modules, '(,msdos1)/boot/grub', core, root.offsetBytes);
}

/**
 * The initramfs that MODULES=dep makes on VMware. What it looks at is the machine it runs on, so here the list
 * of what it would have found is given.
 */
async function vmwareInitramfs(tree: string): Promise<void> {
  const policy = 'etc/initramfs-tools/conf.d/driver-policy';
  const list = 'etc/initramfs-tools/modules';
  await mkdir(join(tree, 'etc/initramfs-tools/conf.d'), { recursive: true });
  await cp(join(tree, list), join(tree, `${list}.orig`));
  await writeFiles(tree, {
    [policy]: ['MODULES=list'],
    [list]: ['vmw_pvscsi', 'ata_piix', 'sd_mod', 'sr_mod'],
  });
  await inGuest(tree, 'update-initramfs', '-u', '-k', 'all');
  await run('mv', [join(tree, `${list}.orig`), join(tree, list)]);
  await writeFiles(tree, {
    [policy]: ['# Driver inclusion policy selected during installation', 'MODULES=dep'],
  });
}
