import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { moduleArchive } from '../../support/cpio-archive.ts';
import { run } from '../../support/guest-trees.ts';

/** Systems as other hypervisors leave them, each the tree of one partition: its configuration, no programs. */
export interface SystemTree {
  /** Number of its partition, and the file system's UUID. */
  partition: number;
  uuid: string;
  files: Readonly<Record<string, string | Buffer>>;
  links?: Readonly<Record<string, string>>;
  /** Programs of the host in /usr/bin, with the C library they need. */
  programs?: readonly string[];
  /** What programs of the host do to the tree when its files are there. */
  prepare?: (root: string) => Promise<void>;
}

export const swapUuid = 'cafe0000-0000-4000-8000-000000000009';
const uuid = (partition: number) => `cafe0000-0000-4000-8000-00000000000${partition}`;
const osRelease = (id: string, version: string) =>
  `ID=${id}\nVERSION_ID="${version}"\nPRETTY_NAME="${id} ${version}"\n`;
const bootable = (version: string) => ({
  [`boot/vmlinuz-${version}`]: 'kernel',
  [`boot/initrd.img-${version}`]: initramfsWith(version, ['virtio_pci', 'virtio_blk']),
  [`usr/lib/modules/${version}/modules.builtin`]: '',
});
const serialGetty = { 'usr/lib/systemd/system/serial-getty@.service': '[Service]\n' };

export const debian: SystemTree = {
  partition: 1,
  uuid: uuid(1),
  files: {
    ...bootable('6.1.0-18-amd64'),
    ...serialGetty,
    'etc/os-release': osRelease('debian', '12'),
    'etc/fstab':
      '# <file system> <mount point> <type>\n/dev/sda1       /     ext4  errors=remount-ro 0 1\n/dev/sda9\tnone\tswap\tsw\t0\t0\n/dev/sdc1 /gone ext4 nofail 0 2\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n',
    'etc/initramfs-tools/conf.d/resume': 'RESUME=/dev/sda9\n',
    'etc/default/grub': 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
    'boot/grub/grub.cfg':
      "menuentry 'Debian' {\n\tset root='hd0,msdos1'\n\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda1 ro quiet resume=/dev/sda9\n}\n",
    'etc/network/interfaces':
      'auto lo\niface lo inet loopback\nallow-hotplug ens192\niface ens192 inet static\n\taddress 10.0.0.5/24\nauto ens224\niface ens224 inet dhcp\n',
    'usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so': '',
  },
  links: { lib: 'usr/lib' },
};

export const rhel8: SystemTree = {
  partition: 2,
  uuid: uuid(2),
  files: {
    ...bootable('4.18.0-553.el8.x86_64'),
    ...serialGetty,
    'etc/os-release': osRelease('rhel', '8.10'),
    'etc/fstab': `UUID=${uuid(2)} / xfs defaults 0 0\n/dev/nvme0n1p9 swap swap defaults 0 0\n`,
    'etc/default/grub': 'GRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet"\nGRUB_ENABLE_BLSCFG=true\n',
    'boot/loader/entries/abc-4.18.0.conf':
      'title RHEL\nversion 4.18.0\nlinux /boot/vmlinuz-4.18.0-553.el8.x86_64\noptions $kernelopts $tuned_params\n',
    'boot/grub2/grubenv':
      '# GRUB Environment Block\nsaved_entry=abc-4.18.0\nkernelopts=root=/dev/nvme0n1p2 ro crashkernel=auto rhgb quiet \nboot_success=0\n'.padEnd(
        1024,
        '#',
      ),
    'etc/sysconfig/network-scripts/ifcfg-ens192':
      'TYPE=Ethernet\nBOOTPROTO=none\nNAME=ens192\nDEVICE=ens192\nONBOOT=yes\nIPADDR=10.0.0.6\n',
    'etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=targeted\n',
    'usr/lib/systemd/libsystemd-shared-239.so': '',
    'usr/lib/systemd/systemd-udevd': '',
  },
  links: { lib: 'usr/lib', 'boot/grub2/grub.cfg': '../loader/nowhere' },
};

export const ubuntu: SystemTree = {
  partition: 3,
  uuid: uuid(3),
  files: {
    ...bootable('6.8.0-31-generic'),
    ...serialGetty,
    'etc/os-release': osRelease('ubuntu', '24.04'),
    'etc/fstab': 'LABEL=cloudimg-rootfs / ext4 discard 0 1\n',
    'etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"\nGRUB_CMDLINE_LINUX=""\n',
    'boot/grub/grub.cfg':
      'linux /boot/vmlinuz-6.8.0-31-generic root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0\n',
    'etc/netplan/50-cloud-init.yaml':
      'network:\n  version: 2\n  ethernets:\n    ens160:\n      match: {macaddress: "00:50:56:AA:BB:CC"}\n      set-name: ens160\n      dhcp4: true\n',
    'etc/netplan/99-broken.yaml': 'network: [unclosed\n',
    'usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-255.so': '',
  },
  links: {
    lib: 'usr/lib',
    'etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service':
      '/usr/lib/systemd/system/serial-getty@.service',
  },
};

export const xenSles: SystemTree = {
  partition: 4,
  uuid: uuid(4),
  files: {
    ...bootable('5.14.21-150500.55-default'),
    ...serialGetty,
    'etc/os-release': osRelease('sles', '15.5'),
    'etc/fstab':
      '/dev/xvda4 / ext4 acl,user_xattr 1 1\n/dev/disk/by-path/xen-vbd-768-part9 swap swap defaults 0 0\n',
    'etc/default/grub':
      'GRUB_CMDLINE_LINUX_DEFAULT="console=hvc0 resume=/dev/xvda9"\nGRUB_CMDLINE_LINUX=" console=hvc0"\n',
    'boot/grub2/grub.cfg':
      'linux /boot/vmlinuz-5.14.21-150500.55-default root=/dev/xvda4 console=hvc0 resume=/dev/xvda9\n',
    'etc/sysconfig/network/ifcfg-eth0': "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n",
    'etc/udev/rules.d/70-persistent-net.rules':
      'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="00:16:3e:00:00:01", ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n',
    'usr/lib/systemd/libsystemd-shared-249.so': '',
  },
  links: {
    lib: 'usr/lib',
    'etc/systemd/system/getty.target.wants/serial-getty@hvc0.service':
      '/usr/lib/systemd/system/serial-getty@.service',
  },
};

export const alpine: SystemTree = {
  partition: 5,
  uuid: uuid(5),
  files: {
    'boot/vmlinuz-lts': 'kernel',
    'etc/os-release': osRelease('alpine', '3.19'),
    'etc/alpine-release': '3.19\n',
    'etc/fstab': '/dev/vda5\t/\text4\trw,relatime 0 1\n',
    'etc/inittab':
      '::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n#ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n',
    'boot/extlinux/extlinux.conf':
      'DEFAULT lts\nLABEL lts\n  LINUX vmlinuz-lts\n  APPEND root=/dev/vda5 modules=ext4 quiet\n',
    'etc/network/interfaces': 'auto eth0\niface eth0 inet dhcp\n',
  },
  links: { 'boot/extlinux.conf': 'extlinux/extlinux.conf' },
};

/** Writes one disk with a partition for each tree, and swap as partition 9. */
export async function writeTreesDisk(path: string, trees: readonly SystemTree[]): Promise<void> {
  const sizeMiB = 24;
  const offsetMiB = (partition: number) => 1 + (partition - 1) * sizeMiB;
  await run('truncate', ['-s', `${offsetMiB(9) + sizeMiB + 1}M`, path]);
  const numbers = [...trees.map(({ partition }) => partition), 9];
  const table = numbers.map(
    (number) => `${number} : start=${offsetMiB(number)}MiB, size=${sizeMiB}MiB, type=linux`,
  );
  await run(
    'sfdisk',
    ['-q', '--no-reread', '--no-tell-kernel', path],
    ['label: gpt', ...table, ''].join('\n'),
  );
  for (const tree of trees) {
    const root = await mkdtemp(`${path}.tree-`);
    await writeTree(root, tree);
    const where = ['-E', `offset=${offsetMiB(tree.partition) * 1024 * 1024},nodiscard`, '-d', root];
    await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-U', tree.uuid, ...where, path, `${sizeMiB}m`]);
    await rm(root, { recursive: true });
  }
  const swap = `${path}.swap`;
  await run('truncate', ['-s', `${sizeMiB}M`, swap]);
  await run('mkswap', ['-q', '-U', swapUuid, swap]);
  await run('dd', [
    `if=${swap}`,
    `of=${path}`,
    'bs=1M',
    `seek=${offsetMiB(9)}`,
    'conv=notrunc,sparse',
    'status=none',
  ]);
  await rm(swap);
}

async function writeTree(root: string, tree: SystemTree): Promise<void> {
  for (const [path, content] of Object.entries(tree.files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    // Programs of the guest are run.
    await writeFile(join(root, path), content, { mode: path.includes('bin/') ? 0o755 : 0o644 });
  }
  for (const name of tree.programs ?? []) {
    const program = join('/usr/bin', name);
    const libraries = (await run('ldd', [program])).match(/\/\S+/g) ?? [];
    for (const folder of ['usr/bin', 'usr/lib']) await mkdir(join(root, folder), { recursive: true });
    await copyFile(program, join(root, program));
    for (const library of libraries)
      await copyFile(library, join(root, 'usr/lib', library.slice(library.lastIndexOf('/') + 1)));
    await chmod(join(root, program), 0o755);
  }
  for (const [path, target] of Object.entries(tree.links ?? {})) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await symlink(target, join(root, path));
  }
  await tree.prepare?.(root);
}

/** An initramfs with just these modules. */
function initramfsWith(version: string, modules: readonly string[]): Buffer {
  return gzipSync(moduleArchive(version, modules));
}

const virtioDep = ['virtio/virtio_pci', 'block/virtio_blk', 'scsi/virtio_scsi']
  .map((module) => `kernel/drivers/${module}.ko:\n`)
  .join('');
const rebuildKernels = ['6.1.0-1-good', '6.1.0-2-empty', '6.1.0-3-crash', '6.1.0-4-bare'] as const;

/**
 * A system whose kernels lack virtio, with a mkinitramfs that makes a good image, an image without drivers,
 * or none, as the kernel's name says. The last kernel has no virtio modules at all. Shell and cat are real.
 */
export const rebuild: SystemTree = {
  partition: 6,
  uuid: uuid(6),
  programs: ['dash', 'cat'],
  files: {
    'etc/os-release': osRelease('debian', '12'),
    'etc/fstab': `UUID=${uuid(6)} / ext4 defaults 0 1\n`,
    'etc/initramfs-tools/modules': '# List of modules\n',
    'usr/sbin/mkinitramfs': `#!/usr/bin/dash
test "$1" = -o || exit 2
case "$3" in
*-good) cat /boot/made-good > "$2" ;;
*-empty) cat /boot/made-empty > "$2" ;;
*) cat /boot/made-empty > "$2"; echo "no space left" >&2; exit 1 ;;
esac
`,
    'boot/made-good': initramfsWith('6.1.0-1-good', ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod']),
    'boot/made-empty': initramfsWith('6.1.0-2-empty', ['sd_mod']),
    ...(Object.fromEntries(
      rebuildKernels.flatMap((version) => [
        [`boot/vmlinuz-${version}`, 'kernel'],
        [`boot/initrd.img-${version}`, initramfsWith(version, ['vmw_pvscsi'])],
        [`usr/lib/modules/${version}/modules.builtin`, ''],
        [`usr/lib/modules/${version}/modules.dep`, version.endsWith('-bare') ? '' : virtioDep],
        ...(version.endsWith('-bare')
          ? []
          : ['virtio/virtio_pci', 'block/virtio_blk', 'scsi/virtio_scsi'].map((module) => [
              `usr/lib/modules/${version}/kernel/drivers/${module}.ko`,
              'ELF',
            ])),
      ]),
    ) as Record<string, string | Buffer>),
  },
  links: { lib: 'usr/lib', lib64: 'usr/lib' },
};
