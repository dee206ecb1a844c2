import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configureDebian, inGuest, writeFiles } from '../lib/debian.ts';
import { mirrorUuid } from '../lib/raid.ts';
import { run } from '../lib/run.ts';
import { hasVolumeGroup, isEncrypted, luksKeyFile, type MatrixGuest } from './guest.ts';
import {
  containerName,
  containerSource,
  machineId,
  mirrorName,
  mountsOf,
  rootArgument,
  uuids,
} from './names.ts';
import { networkOf, privateFiles } from './network.ts';
import { installProof } from './proof.ts';

const keyPath = '/etc/keys/root.key';
/** On a busy host without KVM udev takes more than the 90 seconds that systemd waits for devices. */
const patience = {
  'etc/systemd/system.conf.d/patience.conf': [
    ...['[Manager]', 'DefaultTimeoutStartSec=10min', 'DefaultDeviceTimeoutSec=10min'],
  ],
};

/** Lays a guest's packages on the base and configures it as its administrator would have. No initramfs yet. */
export async function makeSystem(tree: string, guest: MatrixGuest): Promise<void> {
  await installLayers(tree, packagesOf(guest));
  await configureDebian(tree, {
    hostname: guest.name,
    machineId,
    fstab: mountsOf(guest).map(
      ({ device, path, type, options }) =>
        `${device}  ${path}  ${type}  ${options}  0  ${path === '/' ? 1 : 0}`,
    ),
    grubDefaults: [],
  });
  for (const { path } of mountsOf(guest))
    if (path !== 'none') await mkdir(join(tree, path), { recursive: true });
  const { files, units } = networkOf(guest);
  await writeFiles(tree, { ...files, ...storageFiles(guest), ...initramfsFiles(guest), ...patience });
  if (isEncrypted(guest)) await addKey(tree);
  for (const dir of privateFiles) {
    for (const name of await readdir(join(tree, dir)).catch(() => []))
      await chmod(join(tree, dir, name), 0o600);
  }
  for (const unit of units) await inGuest(tree, 'systemctl', 'enable', unit);
  await installProof(tree);
  await inGuest(tree, 'systemctl', 'enable', 'matrix-proof.service');
}

function packagesOf(guest: MatrixGuest): string[] {
  const tools = { ext4: [], xfs: ['xfsprogs'], btrfs: ['btrfs-progs'] };
  const networks = {
    ifupdown: ['ifupdown'],
    NetworkManager: ['network-manager'],
    'systemd-networkd': [],
    netplan: ['netplan.io'],
  };
  const loaders = {
    bios: ['grub2-common', 'grub-pc-bin'],
    uefi: ['grub2-common', 'grub-efi-amd64-bin'],
    'systemd-boot': ['systemd-boot'],
  };
  const encryption = guest.initramfs === 'dracut' ? 'cryptsetup' : 'cryptsetup-initramfs';
  return [
    ...(guest.initramfs === 'dracut' ? ['dracut'] : []),
    ...(hasVolumeGroup(guest) ? ['lvm2'] : []),
    ...(guest.storage === 'md1' ? ['mdadm'] : []),
    ...(isEncrypted(guest) ? [encryption] : []),
    ...(isEncrypted(guest) && guest.release === 13 ? ['systemd-cryptsetup'] : []),
    ...(guest.boot === 'systemd-boot' && guest.release === 13 ? ['systemd-boot-efi'] : []),
    ...(guest.boot === 'bios' ? [] : ['dosfstools']),
    ...[...tools[guest.fs], ...networks[guest.network], ...loaders[guest.boot]],
  ];
}

/** Programs that packages run at their installation, to no purpose before the guest is configured. */
const stubs = '/stubs';
const stubbed = ['dracut', 'update-initramfs', 'bootctl', 'kernel-install'];

/** From apt's cache in the base; afterwards the guest has no trace of how it was built. */
async function installLayers(tree: string, packages: readonly string[]): Promise<void> {
  await mkdir(join(tree, stubs));
  for (const name of stubbed) await writeFile(join(tree, stubs, name), '#!/bin/sh\n', { mode: 0o755 });
  const path = `PATH=${stubs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const apt = ['apt-get', '--quiet', '--yes', '--no-install-recommends', '--no-download', 'install'];
  await inGuest(tree, '/usr/bin/env', 'DEBIAN_FRONTEND=noninteractive', path, ...apt, ...packages);
  const traces = [
    ...['usr/sbin/policy-rc.d', 'etc/dpkg/dpkg.cfg.d/matrix', 'etc/initramfs-tools/update-initramfs.conf'],
    ...['var/lib/apt/lists', 'var/cache/apt', 'etc/dpkg/dpkg.cfg.d/99mmdebstrap', stubs],
  ];
  await run('rm', ['-rf', ...traces.map((trace) => join(tree, trace))]);
  await mkdir(join(tree, 'var/lib/apt/lists/partial'), { recursive: true });
  await mkdir(join(tree, 'var/cache/apt/archives/partial'), { recursive: true });
}

function storageFiles(guest: MatrixGuest): Record<string, string[]> {
  const mirror = `ARRAY /dev/md0 metadata=1.2 UUID=${mirrorUuid(uuids.mirror)} name=${mirrorName(guest)}`;
  const initramfs = guest.initramfs === 'dracut' ? '' : ',initramfs';
  // A partition is named by the UUID of its container, as the installer does it, or by where it lies.
  const source =
    guest.storage === 'luks1' && guest.drivers === 'all' ? `UUID=${uuids.luks}` : containerSource(guest);
  return {
    ...(guest.storage === 'md1'
      ? { 'etc/mdadm/mdadm.conf': ['HOMEHOST <system>', 'MAILADDR root', mirror] }
      : {}),
    ...(isEncrypted(guest)
      ? { 'etc/crypttab': [`${containerName(guest)} ${source} ${keyPath} luks,discard${initramfs}`] }
      : {}),
    ...(guest.boot === 'systemd-boot'
      ? { 'etc/kernel/cmdline': [`root=${rootArgument(guest)} ro quiet`] }
      : {}),
  };
}

function initramfsFiles(guest: MatrixGuest): Record<string, string[]> {
  if (!isEncrypted(guest)) return {};
  return guest.initramfs === 'dracut'
    ? { 'etc/dracut.conf.d/50-key.conf': [`install_items+=" /etc/crypttab ${keyPath} "`] }
    : {
        'etc/cryptsetup-initramfs/conf-hook': ['KEYFILE_PATTERN="/etc/keys/*.key"'],
        'etc/initramfs-tools/conf.d/umask': ['UMASK=0077'],
      };
}

async function addKey(tree: string): Promise<void> {
  await mkdir(join(tree, 'etc/keys'), { mode: 0o700 });
  await writeFile(join(tree, keyPath), luksKeyFile, { mode: 0o400 });
}
