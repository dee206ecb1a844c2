import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inGuest, writeFiles } from '../lib/debian.ts';
import { run } from '../lib/run.ts';
import { isEncrypted, type MatrixGuest } from './guest.ts';
import { containerSource, uuids } from './names.ts';

/** Of virtio, everything a guest on KVM may need to find its disks. */
const virtioDrivers = 'virtio_blk virtio_scsi virtio_pci virtio_net virtio virtio_ring virtio_mmio';
const vmwareDrivers = ['vmw_pvscsi', 'ata_piix', 'ahci', 'sd_mod', 'sr_mod', 'nvme'];

/**
 * Builds the guest's initramfs with its own tool, natively.
 *
 * @param header file with the header of the guest's LUKS container, if it has one: initramfs-tools looks at
 *   the device itself
 */
export async function makeInitramfs(
  tree: string,
  guest: MatrixGuest,
  version: string,
  header: string,
): Promise<void> {
  const image = `/boot/initrd.img-${version}`;
  if (guest.initramfs === 'dracut') {
    const omit = guest.drivers === 'vmware' ? ['--omit-drivers', virtioDrivers] : [];
    await inGuest(tree, 'dracut', '--force', '--no-hostonly', ...omit, image, version);
    return;
  }
  const listed = [
    'ext4',
    'xfs',
    'btrfs',
    'raid1',
    'dm_mod',
    'dm_crypt',
    'xts',
    'aes',
    'sha256',
    ...vmwareDrivers,
  ];
  if (guest.drivers === 'vmware') {
    await writeFiles(tree, {
      'etc/initramfs-tools/conf.d/driver-policy': ['MODULES=list'],
      'etc/initramfs-tools/conf.d/built': listed,
    });
    await run('mv', [
      join(tree, 'etc/initramfs-tools/conf.d/built'),
      join(tree, 'etc/initramfs-tools/modules'),
    ]);
  }
  await withContainer(tree, guest, header, () => inGuest(tree, 'mkinitramfs', '-o', image, version));
  if (guest.drivers === 'vmware') {
    await writeFiles(tree, {
      'etc/initramfs-tools/conf.d/driver-policy': [
        '# Driver inclusion policy selected during installation',
        'MODULES=dep',
      ],
      'etc/initramfs-tools/modules': ['# List of modules that you want to include in your initramfs.'],
    });
  }
}

/** Shows the tools in the guest the device with its container, under the name its crypttab has for it. */
async function withContainer(
  tree: string,
  guest: MatrixGuest,
  header: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!isEncrypted(guest)) return work();
  const { stdout } = await run('losetup', ['--find', '--show', '--read-only', header]);
  const device = stdout.trim();
  const { stdout: numbers } = await run('stat', ['--format=%Hr %Lr', device]);
  const names = [containerSource(guest), `/dev/disk/by-uuid/${uuids.luks}`].map((name) => join(tree, name));
  const node = join(tree, device);
  try {
    await run('mknod', [node, 'b', ...numbers.trim().split(' ')]);
    for (const name of names) {
      await mkdir(dirname(name), { recursive: true });
      await symlink(device, name);
    }
    await work();
  } finally {
    await run('losetup', ['--detach', device]);
    for (const name of [...names, node]) await rm(name, { force: true });
  }
}
