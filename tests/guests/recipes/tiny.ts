import { chmod, copyFile, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootPassword } from '../lib/debian.ts';
import { createDisk, makeExt4, MiB } from '../lib/disk.ts';
import { installBiosGrub } from '../lib/grub.ts';
import { currentPackage, unpackPackages } from '../lib/packages.ts';
import { run } from '../lib/run.ts';
import { rawDisk, type Recipe } from './recipe.ts';

const files = join(import.meta.dirname, '..', 'files', 'tiny');
const rootUuid = '7f1a3c52-8f5e-4a38-9a55-0d1c6d0a7101';
const diskBytes = 256 * MiB;
const firstPartition = MiB;

/** What VMware offers a guest, and what KVM does; modprobe brings what they depend on. */
const drivers = {
  boot: ['vmw_pvscsi', 'ata_piix', 'sd_mod', 'virtio_pci', 'virtio_blk', 'virtio_scsi'],
  rest: ['vmxnet3', 'virtio_net'],
};

export const tiny: Recipe = {
  about:
    'Debian kernel and busybox on ext4; names its disk /dev/sda1 in grub.cfg and fstab; boots in seconds',
  disks: 1,
  packages: ['linux-image-cloud-amd64', 'busybox-static'],
  madeOf: ['recipes/tiny.ts', 'files/tiny'],
  async build(dir, say) {
    await buildTiny(dir, say, ['/dev/sda1  /  ext4  errors=remount-ro  0  1']);
  },
};

/** Builds the boot disk `disk0.raw` with the given lines in /etc/fstab. */
export async function buildTiny(
  dir: string,
  say: (line: string) => void,
  fstab: readonly string[],
): Promise<void> {
  say('downloading the kernel and busybox');
  const packages = join(dir, 'packages');
  await mkdir(packages);
  const kernelPackage = await currentPackage('linux-image-cloud-amd64', 'linux-image-');
  await unpackPackages([kernelPackage, 'busybox-static'], packages);
  const version = kernelPackage.replace('linux-image-', '');

  say(`making the root file system and the initramfs for ${version}`);
  const root = join(dir, 'root');
  await makeSystem(packages, root);
  await installKernel(packages, root, version);
  await makeInitramfs(packages, root, version, join(dir, 'initramfs'));
  await configure(root, version, fstab);

  say('making the disk');
  const disk = rawDisk(dir, 0);
  const sizeBytes = diskBytes - firstPartition;
  await createDisk(disk, {
    label: 'dos',
    id: '0x71a00001',
    sizeBytes: diskBytes,
    partitions: [{ type: '83', startBytes: firstPartition, sizeBytes, bootable: true }],
  });
  await makeExt4(disk, { offsetBytes: firstPartition, sizeBytes, uuid: rootUuid, from: root });
  await installBiosGrub(disk, '/usr/lib/grub/i386-pc', '(,msdos1)/boot/grub', grubModules, firstPartition);
  await run('rm', ['-r', packages, root]);
}

const grubModules = [
  'biosdisk',
  'part_msdos',
  'ext2',
  'normal',
  'linux',
  'configfile',
  'search',
  'search_fs_uuid',
  'search_fs_file',
  'search_label',
  'echo',
  'test',
  'serial',
  'terminal',
  'minicmd',
  'boot',
];

/** Directories, busybox and its names. */
async function makeSystem(packages: string, root: string): Promise<void> {
  const folders = [
    'boot/grub',
    'dev',
    'etc/init.d',
    'etc/network',
    'home',
    'mnt',
    'proc',
    'root',
    'run',
    'srv',
    'sys',
    'tmp',
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'var/lib',
    'var/log',
  ];
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib']) await symlink(`usr/${name}`, join(root, name));
  await symlink('/run', join(root, 'var/run'));
  await chmod(join(root, 'root'), 0o700);
  await chmod(join(root, 'tmp'), 0o1777);
  await installBusybox(packages, root);
}

async function installBusybox(packages: string, root: string): Promise<void> {
  const busybox = join(packages, 'bin/busybox');
  await copyFile(busybox, join(root, 'usr/bin/busybox'));
  const { stdout } = await run(busybox, ['--list-full']);
  for (const applet of stdout.split('\n')) {
    if (applet === '' || applet.endsWith('/busybox')) continue;
    const path = applet.startsWith('usr/') ? applet : `usr/${applet}`;
    await symlink('/usr/bin/busybox', join(root, path));
  }
}

/** Kernel and the few modules, with the indexes depmod makes of them. */
async function installKernel(packages: string, root: string, version: string): Promise<void> {
  for (const name of ['vmlinuz', 'config', 'System.map']) {
    await copyFile(join(packages, `boot/${name}-${version}`), join(root, `boot/${name}-${version}`));
  }
  await copyModules(packages, join(root, 'usr'), version, [...drivers.boot, ...drivers.rest]);
}

/** Copies modules and what they need from an unpacked kernel package to `to`/lib/modules. */
async function copyModules(
  packages: string,
  to: string,
  version: string,
  names: readonly string[],
): Promise<void> {
  const from = join(packages, 'lib/modules', version);
  const target = join(to, 'lib/modules', version);
  await mkdir(target, { recursive: true });
  for (const name of await readdir(from)) {
    if (/^modules\.(builtin|order)/.test(name)) await copyFile(join(from, name), join(target, name));
  }
  await run('depmod', ['--basedir', packages, version]);
  const base = ['--dirname', packages, '--set-version', version];
  const { stdout } = await run('modprobe', [...base, '--show-depends', '--all', ...names]);
  for (const [, path] of stdout.matchAll(/^insmod (\S+)/gm)) {
    if (path === undefined) continue;
    const relative = path.slice(path.indexOf('/kernel/'));
    await cp(path, join(target, relative), { recursive: true });
  }
  await run('depmod', ['--basedir', to, version]);
}

/** A small initramfs in the form Debian's have: gzip over cpio newc, modules under usr/lib/modules. */
async function makeInitramfs(packages: string, root: string, version: string, dir: string): Promise<void> {
  for (const folder of ['dev', 'proc', 'sys', 'root', 'etc', 'usr/bin', 'usr/sbin', 'usr/lib']) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  for (const name of ['bin', 'sbin', 'lib']) await symlink(`usr/${name}`, join(dir, name));
  await installBusybox(packages, dir);
  await copyModules(packages, join(dir, 'usr'), version, drivers.boot);
  await copyFile(join(files, 'initramfs-init'), join(dir, 'init'));
  await chmod(join(dir, 'init'), 0o755);

  const image = join(root, `boot/initrd.img-${version}`);
  const { stdout } = await run('find', [dir, '-mindepth', '1', '-printf', '%P\n']);
  await run('cpio', ['--quiet', '-o', '-H', 'newc', '-R', '0:0', '-D', dir, '-F', `${dir}.cpio`], {
    input: stdout,
  });
  await run('gzip', ['--fast', '--no-name', `${dir}.cpio`]);
  await copyFile(`${dir}.cpio.gz`, image);
  await run('rm', ['-r', dir, `${dir}.cpio.gz`]);
}

async function configure(root: string, version: string, fstab: readonly string[]): Promise<void> {
  const put = async (path: string, lines: readonly string[], mode = 0o644) => {
    await writeFile(join(root, path), [...lines, ''].join('\n'), { mode });
  };
  await put('etc/os-release', [
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
    'NAME="Debian GNU/Linux"',
    'VERSION_ID="12"',
    'VERSION="12 (bookworm)"',
    'VERSION_CODENAME=bookworm',
    'ID=debian',
  ]);
  await put('etc/debian_version', ['12.0']);
  await put('etc/hostname', ['tiny']);
  await put('etc/hosts', ['127.0.0.1 localhost', '127.0.1.1 tiny']);
  await put('etc/issue', ['Debian GNU/Linux 12 \\n \\l', '']);
  await put('etc/fstab', ['# <file system> <mount point> <type> <options> <dump> <pass>', ...fstab]);
  await put('etc/passwd', ['root:x:0:0:root:/root:/bin/sh']);
  await put('etc/group', ['root:x:0:', 'tty:x:5:', 'disk:x:6:']);
  await put('etc/shadow', [`root:${rootPassword}:19700:0:99999:7:::`], 0o640);
  await put('etc/network/interfaces', [
    'auto lo',
    'iface lo inet loopback',
    '',
    'auto ens192',
    'iface ens192 inet static',
    '    address 192.168.122.57',
    '    netmask 255.255.255.0',
    '    gateway 192.168.122.1',
  ]);
  // name-interfaces reads the link files of a udev of this version; by this library it is known.
  await mkdir(join(root, 'usr/lib/systemd'));
  await put('usr/lib/systemd/libsystemd-shared-252.so', []);
  for (const folder of ['if-pre-up.d', 'if-up.d', 'if-down.d', 'if-post-down.d']) {
    await mkdir(join(root, 'etc/network', folder));
  }
  await put('boot/grub/grub.cfg', [
    'set default=0',
    'set timeout=0',
    '',
    "menuentry 'Debian GNU/Linux' --class debian {",
    "\tset root='hd0,msdos1'",
    `\tlinux\t/boot/vmlinuz-${version} root=/dev/sda1 ro quiet`,
    `\tinitrd\t/boot/initrd.img-${version}`,
    '}',
  ]);
  await copyFile(join(files, 'inittab'), join(root, 'etc/inittab'));
  for (const script of ['rcS', 'name-interfaces']) {
    await copyFile(join(files, script), join(root, 'etc/init.d', script));
    await chmod(join(root, 'etc/init.d', script), 0o755);
  }
}
