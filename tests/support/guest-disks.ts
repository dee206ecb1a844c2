import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ext4Disk, kernelVersion, partition, run, writeLinuxTree, type LinuxTree } from './guest-trees.ts';

/** Disks of guests in the layouts that the inspector must know. Each function returns the file's path. */

export const luksPassphrase = 'correct horse: battery staple';

/** BIOS, MBR, one ext4 partition. */
export async function biosDisk(dir: string, name: string, tree: LinuxTree): Promise<string> {
  const path = join(dir, `${name}.raw`);
  await ext4Disk(path, (root) => writeLinuxTree(root, tree), { offsetMiB: 1, label: name });
  await partition(path, 'dos', ['start=2048, type=83, bootable']);
  // What a boot loader leaves in the first sector.
  await patch(path, 0, Buffer.from('eb6390', 'hex'));
  return path;
}

/** UEFI, GPT, an EFI system partition with the fallback loader and an ext4 root, both named by PARTUUID. */
export async function uefiDisk(dir: string): Promise<string> {
  const path = join(dir, 'uefi.raw');
  const esp = '0a1b2c3d-0000-4000-8000-000000000001';
  await ext4Disk(
    path,
    async (root) => {
      await writeLinuxTree(root, {
        hostname: 'uefi',
        fstab: [`PARTUUID=${esp} /boot/efi vfat umask=0077 0 1`, 'UUID=0000-DEAD /srv ext4 nofail 0 2'],
        initramfs: ['ata_piix'],
        files: {
          [`usr/lib/modules/${kernelVersion}/modules.builtin`]: 'kernel/drivers/virtio/virtio_pci.ko\n',
        },
      });
      await mkdir(join(root, 'boot/efi'));
      await mkdir(join(root, 'srv'));
    },
    { offsetMiB: 20 },
  );
  await run('truncate', ['-s', '+2M', path]);
  await partition(path, 'gpt', [
    `start=2048, size=16MiB, type=U, uuid=${esp}`,
    'start=40960, size=48MiB, type=L',
  ]);
  const fat = `${path}@@1M`;
  await run('mformat', ['-i', fat, '-T', '32768', '-h', '2', '-s', '32', '::']);
  await run('mmd', ['-i', fat, '::/EFI', '::/EFI/BOOT']);
  const loader = join(dir, 'loader');
  await writeFile(loader, 'MZ');
  await run('mcopy', ['-i', fat, loader, '::/EFI/BOOT/BOOTX64.EFI']);
  return path;
}

/** An ext4 file system on the whole disk, without a system. */
export async function dataDisk(dir: string): Promise<string> {
  const path = join(dir, 'data.raw');
  await ext4Disk(path, (root) => writeFile(join(root, 'customers.csv'), 'id,name\n'), { sizeMiB: 16 });
  return path;
}

export async function blankDisk(dir: string): Promise<string> {
  const path = join(dir, 'blank.raw');
  await run('truncate', ['-s', '16M', path]);
  return path;
}

/** ext4 whose superblock is still recognised but claims impossible sizes. */
export async function damagedDisk(dir: string): Promise<string> {
  const path = join(dir, 'damaged.raw');
  await ext4Disk(path, (root) => writeFile(join(root, 'file'), 'x'), { sizeMiB: 16 });
  // Blocks per group, at 32 in the superblock: zero is no ext4.
  await patch(path, 1024 + 32, Buffer.alloc(4));
  return path;
}

/** What the host's kernel cannot make: volumes, containers, subvolumes, NTFS; made in one appliance. */
export async function applianceDisks(
  dir: string,
): Promise<{ lvm: string; luks: string; btrfs: string; windows: string }> {
  const disks = {
    lvm: join(dir, 'lvm.raw'),
    luks: join(dir, 'luks.raw'),
    btrfs: join(dir, 'btrfs.raw'),
    windows: join(dir, 'windows.raw'),
  };
  for (const path of Object.values(disks)) await run('truncate', ['-s', '160M', path]);
  // A key derivation that takes no minute under emulation.
  const cheap = ['--pbkdf', 'argon2id', '--pbkdf-force-iterations', '4', '--pbkdf-memory', '32768'];
  const format = ['luksFormat', '--batch-mode', '--type', 'luks2', ...cheap, '--key-file', '-', disks.luks];
  await run('cryptsetup', format, luksPassphrase);
  const lvm = await treeArchive(dir, {
    hostname: 'lvm',
    fstab: ['/dev/mapper/vg--a-root / ext4 defaults 0 1', '/dev/vg-a/var /var ext4 defaults 0 2'],
    files: { 'var/.keep': '' },
  });
  const plain = await treeArchive(dir, {
    hostname: 'luks',
    fstab: ['/dev/mapper/sda_crypt / ext4 defaults 0 1'],
  });
  const subvolume = await treeArchive(dir, { hostname: 'btrfs', fstab: ['/dev/sda / btrfs subvol=@ 0 0'] });
  const commands = [
    ...['part-disk /dev/sda mbr', 'pvcreate /dev/sda1', 'vgcreate vg-a /dev/sda1'],
    ...[
      'lvcreate root vg-a 80',
      'lvcreate var vg-a 40',
      'mkfs ext4 /dev/vg-a/root',
      'mkfs ext4 /dev/vg-a/var',
    ],
    ...['mount /dev/vg-a/root /', `tar-in ${lvm} /`, 'umount /'],
    // guestfish reads keys where it reads commands.
    ...['cryptsetup-open /dev/sdb box', luksPassphrase],
    ...['mkfs ext4 /dev/mapper/box', 'mount /dev/mapper/box /', `tar-in ${plain} /`, 'umount /'],
    ...['mkfs btrfs /dev/sdc', 'mount /dev/sdc /', 'btrfs-subvolume-create /@', `tar-in ${subvolume} /@`],
    ...['btrfs-subvolume-snapshot /@ /snapshots', 'umount /'],
    ...[
      'part-disk /dev/sdd mbr',
      'mkfs ntfs /dev/sdd1',
      'mount /dev/sdd1 /',
      'mkdir-p /WINDOWS/system32',
      'umount /',
    ],
  ];
  const script = join(dir, 'make.fish');
  await writeFile(script, ['run', ...commands, ''].join('\n'));
  const drives = Object.values(disks).flatMap((path) => ['--format=raw', '-a', path]);
  await run('guestfish', ['--keys-from-stdin', ...drives, '-f', script]);
  return disks;
}

async function treeArchive(dir: string, tree: LinuxTree): Promise<string> {
  const root = await mkdtemp(join(dir, 'tree-'));
  await writeLinuxTree(root, tree);
  const archive = join(dir, `${tree.hostname}.tar`);
  await run('tar', ['-C', root, '-cf', archive, '.']);
  await rm(root, { recursive: true });
  return archive;
}

export async function patch(path: string, position: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, position);
  await file.close();
}
