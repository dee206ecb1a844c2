import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { writeModuleIndex } from '../../../activities/guest/initramfs/module-index.ts';
import { cpioArchive, moduleArchive } from '../../support/cpio-archive.ts';
import { run } from '../../support/guest-trees.ts';
import type { SystemTree } from './fixes-trees.ts';

/** Systems whose boot loaders, kernels and module configuration need care; each the tree of one partition. */

const uuid = (partition: number) => `b0070000-0000-4000-8000-00000000000${partition}`;
const release = (id: string, version: string) => ({
  'etc/os-release': `ID=${id}\nVERSION_ID="${version}"\n`,
});
const virtio = ['virtio_pci', 'virtio_blk'];

/** A kernel with its modules and its initramfs; `drivers` are those in the latter. */
function kernel(
  version: string,
  initramfs: string,
  drivers: readonly string[],
  modules: readonly string[] = drivers,
) {
  const dep = modules.map((module) => `kernel/drivers/${module}.ko:\n`).join('');
  return {
    [`boot/vmlinuz-${version}`]: 'kernel',
    [initramfs]: gzipSync(moduleArchive(version, drivers)),
    [`usr/lib/modules/${version}/modules.builtin`]: '',
    [`usr/lib/modules/${version}/modules.dep`]: dep,
  };
}

const debianEntry = (version: string) =>
  `menuentry 'Linux ${version}' $menuentry_id_option 'gnulinux-${version}' {\n\tlinux\t/boot/vmlinuz-${version} root=UUID=${uuid(1)} ro\n}\n`;

/** Debian that was a Xen guest: the newer kernel is Xen's. */
export const debianXen: SystemTree = {
  partition: 1,
  uuid: uuid(1),
  files: {
    ...release('debian', '7'),
    ...kernel('3.2.0-4-amd64', 'boot/initrd.img-3.2.0-4-amd64', virtio),
    ...kernel('3.2.0-5-xen', 'boot/initrd.img-3.2.0-5-xen', ['xen_blkfront']),
    'etc/fstab': `UUID=${uuid(1)} / ext4 defaults 0 1\n`,
    'etc/default/grub': 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n',
    'boot/grub/grub.cfg': `set default="0"\n${debianEntry('3.2.0-5-xen')}${debianEntry('3.2.0-4-amd64')}`,
    'boot/grub/device.map': '(hd0)\t/dev/xvda\n',
    'etc/modprobe.d/local.conf': 'blacklist virtio_net\nalias eth0 xennet\n',
    'etc/modules': 'loop\nxen-blkfront\n',
  },
  links: { lib: 'usr/lib' },
};

const blsEntry = (version: string) =>
  `title RHEL ${version}\nversion ${version}\nlinux /boot/vmlinuz-${version}\ninitrd /boot/initramfs-${version}.img\noptions $kernelopts\n`;

/** RHEL 8 that starts the newest of its BLS entries, a kernel somebody built without virtio. */
export const rhelBls: SystemTree = {
  partition: 2,
  uuid: uuid(2),
  files: {
    ...release('rhel', '8.10'),
    ...kernel('4.18.0-553.el8.x86_64', 'boot/initramfs-4.18.0-553.el8.x86_64.img', virtio),
    ...kernel('4.18.0-553.el8.x86_64+debug', 'boot/initramfs-4.18.0-553.el8.x86_64+debug.img', virtio),
    ...kernel('6.1.0-own', 'boot/initramfs-6.1.0-own.img', ['vmw_pvscsi']),
    'etc/fstab': `UUID=${uuid(2)} / xfs defaults 0 0\n`,
    'boot/grub2/grub.cfg': 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
    'boot/grub2/grubenv': '# GRUB Environment Block\nsaved_entry=abc-6.1.0-own\n'.padEnd(1024, '#'),
    'boot/loader/entries/abc-6.1.0-own.conf': blsEntry('6.1.0-own'),
    'boot/loader/entries/abc-4.18.0-553.el8.x86_64.conf': blsEntry('4.18.0-553.el8.x86_64'),
    'boot/loader/entries/abc-4.18.0-553.el8.x86_64+debug.conf': blsEntry('4.18.0-553.el8.x86_64+debug'),
  },
  links: { lib: 'usr/lib' },
};

/** CentOS 5, once on VMware: GRUB legacy, a Xen kernel beside the usual one, aliases for its drivers. */
export const centos5: SystemTree = {
  partition: 3,
  uuid: uuid(3),
  files: {
    'etc/redhat-release': 'CentOS release 5.11 (Final)\n',
    ...kernel('2.6.18-398.el5', 'boot/initrd-2.6.18-398.el5.img', virtio),
    ...kernel('2.6.18-398.el5xen', 'boot/initrd-2.6.18-398.el5xen.img', ['xenblk']),
    'etc/fstab': 'LABEL=/ / ext3 defaults 1 1\n',
    'boot/grub/menu.lst':
      'default=0\ntimeout=5\ntitle CentOS (2.6.18-398.el5xen)\n\tkernel /boot/xen.gz-2.6.18-398.el5\n\tmodule /boot/vmlinuz-2.6.18-398.el5xen ro root=LABEL=/\ntitle CentOS (2.6.18-398.el5)\n\tkernel /boot/vmlinuz-2.6.18-398.el5 ro root=LABEL=/\n',
    'boot/grub/device.map': '# made by anaconda\n(hd0)     /dev/sda\n',
    'etc/modprobe.conf':
      'alias eth0 vmxnet3\nalias scsi_hostadapter mptbase\nalias scsi_hostadapter1 mptspi\n',
    'etc/sysconfig/grub': 'boot=/dev/sda\nforcelba=0\n',
    'etc/inittab': 'id:3:initdefault:\nco:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n',
    'etc/securetty': 'console\nxvc0\ntty1\n',
  },
  links: { lib: 'usr/lib', 'boot/grub/grub.conf': 'menu.lst' },
};

export const systemdBootVersion = '6.8.5-arch1-1';
/** kernel-install's layout on a /boot that is the EFI system partition: entries and kernels by machine id. */
export const systemdBoot: SystemTree = {
  partition: 4,
  uuid: uuid(4),
  files: {
    ...release('arch', 'rolling'),
    'etc/fstab': `UUID=${uuid(4)} / ext4 rw 0 1\n`,
    'etc/kernel/cmdline': 'root=/dev/sda4 rw\n',
    [`usr/lib/modules/${systemdBootVersion}/modules.builtin`]: '',
    'boot/keep': '',
  },
  links: { lib: 'usr/lib' },
};
export const systemdBootEsp = {
  'EFI/systemd/systemd-bootx64.efi': 'MZ systemd-boot',
  'loader/loader.conf': 'timeout 3\n',
  'loader/entries/0123-6.8.5.conf': `title Arch\nversion ${systemdBootVersion}\nlinux /0123/${systemdBootVersion}/linux\ninitrd /0123/${systemdBootVersion}/initrd\noptions root=/dev/sda4 rw\n`,
  [`0123/${systemdBootVersion}/linux`]: 'kernel',
  [`0123/${systemdBootVersion}/initrd`]: zstdCompressSync(moduleArchive(systemdBootVersion, virtio)),
};

export const ubuntuEsp = {
  'EFI/ubuntu/shimx64.efi': 'MZ shim',
  'EFI/ubuntu/grubx64.efi': 'MZ grub',
  'EFI/ubuntu/mmx64.efi': 'MZ keys',
  'EFI/ubuntu/grub.cfg': 'search.fs_uuid x root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n',
};

const editVersion = '6.1.0-9-amd64';
const modules = `usr/lib/modules/${editVersion}`;
const dep =
  'kernel/drivers/virtio/virtio.ko:\nkernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\nkernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\nkernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko\nkernel/drivers/net/virtio_net.ko: kernel/drivers/virtio/virtio.ko\n';
const withoutVirtio = zstdCompressSync(
  cpioArchive({
    init: '#!/bin/sh\n',
    'usr/bin/udevadm': 'ELF',
    'conf/conf.d/resume': 'RESUME=/dev/sda9\n',
    [`${modules}/kernel/drivers/net/vmxnet3.ko`]: 'ELF',
    [`${modules}/modules.dep.bin`]: writeModuleIndex([
      { key: 'vmxnet3', value: 'kernel/drivers/net/vmxnet3.ko:', priority: 0 },
    ]),
    [`${modules}/modules.alias.bin`]: writeModuleIndex([
      { key: 'pci:v000015ADd000007B0*', value: 'vmxnet3', priority: 0 },
    ]),
  }),
);
/** A guest whose initramfs has a udev and indexes but not virtio, which its disk has. */
export const editable: SystemTree = {
  partition: 5,
  uuid: uuid(5),
  files: {
    ...release('debian', '12'),
    'etc/fstab': `UUID=${uuid(5)} / ext4 defaults 0 1\n`,
    'etc/crypttab': 'swap_crypt /dev/sda9 /dev/urandom swap\n',
    'etc/initramfs-tools/modules': '# List of modules\n',
    'etc/initramfs-tools/conf.d/resume': 'RESUME=/dev/sda9\n',
    'usr/sbin/mkinitramfs': '#!/bin/false\n',
    'usr/bin/dracut': '#!/bin/false\n',
    'usr/bin/mkinitcpio': '#!/bin/false\n',
    'etc/mkinitcpio.conf': 'MODULES=(ext4)\nHOOKS=(base udev)\n',
    [`boot/vmlinuz-${editVersion}`]: 'kernel',
    [`boot/initrd.img-${editVersion}`]: withoutVirtio,
    [`${modules}/modules.builtin`]: '',
    [`${modules}/modules.dep`]: dep,
    [`${modules}/modules.alias`]:
      'alias virtio:d00000002v* virtio_blk\nalias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n',
    ...Object.fromEntries(
      [...dep.matchAll(/^(\S+):/gm)].map(([, path]) => [`${modules}/${path ?? ''}`, 'ELF']),
    ),
  },
  links: { lib: 'usr/lib' },
};

/** Where kernel-install(8) put copies of that guest's kernel and initramfs, which systemd-boot starts. */
export const editableEsp = {
  'loader/loader.conf': 'timeout 3\n',
  [`loader/entries/0123-${editVersion}.conf`]: `title Debian\nlinux /0123/${editVersion}/linux\ninitrd /0123/${editVersion}/initrd.img\noptions root=UUID=${uuid(5)} ro\n`,
  [`0123/${editVersion}/linux`]: 'kernel',
  [`0123/${editVersion}/initrd.img`]: withoutVirtio,
};

/** Writes a GPT disk with a FAT file system of the EFI type for each of the contents. */
export async function writeEspDisk(
  path: string,
  contents: readonly Record<string, string | Buffer>[],
): Promise<void> {
  const sizeMiB = 16;
  const offsetMiB = (index: number) => 1 + index * sizeMiB;
  await run('truncate', ['-s', `${offsetMiB(contents.length) + 1}M`, path]);
  const lines = contents.map((_, index) => `start=${offsetMiB(index)}MiB, size=${sizeMiB}MiB, type=uefi`);
  await run(
    'sfdisk',
    ['-q', '--no-reread', '--no-tell-kernel', path],
    ['label: gpt', ...lines, ''].join('\n'),
  );
  for (const [index, files] of contents.entries()) {
    const tree = await mkdtemp(`${path}.esp-`);
    const image = join(tree, 'image');
    await run('truncate', ['-s', `${sizeMiB}M`, image]);
    await run('mkfs.vfat', ['-F', '16', image]);
    const folders = new Set<string>();
    for (const [name, content] of Object.entries(files)) {
      const parts = name.split('/').slice(0, -1);
      for (const [depth] of parts.entries()) {
        const folder = parts.slice(0, depth + 1).join('/');
        if (!folders.has(folder)) await run('mmd', ['-i', image, `::${folder}`]);
        folders.add(folder);
      }
      await writeFile(join(tree, 'file'), content);
      await run('mcopy', ['-i', image, join(tree, 'file'), `::${name}`]);
    }
    const where = [`of=${path}`, `seek=${offsetMiB(index)}`, 'bs=1M', 'conv=notrunc,sparse', 'status=none'];
    await run('dd', [`if=${image}`, ...where]);
    await rm(tree, { recursive: true });
  }
}
