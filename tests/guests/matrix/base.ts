import { join } from 'node:path';
import { cachedDir, guestCacheDir, recipeHash } from '../lib/cache.ts';
import { hostSources } from '../lib/rootfs.ts';
import { proxyEnv, run, type Say } from '../lib/run.ts';

export const codenames = { 11: 'bullseye', 12: 'bookworm', 13: 'trixie' } as const;

/** Releases of Debian. */
export type Release = keyof typeof codenames;

/** What every guest of the matrix has; all else is laid on top with its own apt. */
const basePackages = [
  ...['systemd-sysv', 'udev', 'dbus', 'kmod', 'iproute2', 'procps', 'zstd'],
  ...['initramfs-tools', 'linux-image-cloud-amd64'],
];

/** What may be laid on top: downloaded once with the base, so that guests are built without a network. */
const layerPackages: Readonly<Record<Release, readonly string[]>> = {
  11: layers(),
  12: layers('systemd-boot'),
  13: layers('systemd-boot', 'systemd-boot-efi', 'systemd-cryptsetup'),
};

function layers(...more: string[]): string[] {
  return [
    ...['grub2-common', 'grub-pc-bin', 'grub-efi-amd64-bin', 'xfsprogs', 'btrfs-progs', 'dosfstools'],
    ...['lvm2', 'mdadm', 'cryptsetup', 'cryptsetup-initramfs', 'dracut'],
    ...['ifupdown', 'network-manager', 'netplan.io', 'python3-minimal', ...more],
  ];
}

/** Nobody reads manuals in these guests, and unpacking them takes time. */
const leftOut = [
  ...['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'],
  ...['/usr/share/i18n/*', '/usr/lib/grub/i386-pc/*.lst.orig', '/usr/share/grub/*'],
];

/** Programs that packages would start, and initramfs images they would make, while the guest is built. */
const quiet = [
  'printf "#!/bin/sh\\nexit 101\\n" > "$1/usr/sbin/policy-rc.d"',
  'chmod 755 "$1/usr/sbin/policy-rc.d"',
  'echo force-unsafe-io > "$1/etc/dpkg/dpkg.cfg.d/matrix"',
].join(' && ');

/** mmdebstrap's arguments but for where the result goes. */
function bootstrapArguments(release: Release): string[] {
  const packages = layerPackages[release];
  const download = (names: readonly string[]) =>
    `--customize-hook=chroot "$1" apt-get --quiet --yes --no-install-recommends --download-only install ${names.join(' ')}`;
  const noInitramfs = 'echo update_initramfs=no > "$1/etc/initramfs-tools/update-initramfs.conf"';
  return [
    ...['--quiet', '--mode=root', '--variant=minbase', '--skip=cleanup/apt'],
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...['--dpkgopt=force-unsafe-io', '--dpkgopt=force-confold', `--include=${basePackages.join(',')}`],
    `--extract-hook=mkdir -p "$1/etc/initramfs-tools" && ${noInitramfs}`,
    '--customize-hook=chroot "$1" apt-get clean',
    // dracut takes the place of initramfs-tools and what stands on it.
    ...[packages.filter((name) => name !== 'dracut'), ['dracut']].map(download),
    `--customize-hook=${quiet}`,
    codenames[release],
  ];
}

/**
 * A minimal Debian with the packages of its layers in apt's cache, as a tar file that is made once from the
 * host's own package sources.
 */
async function baseTarball(release: Release, say: Say): Promise<string> {
  const args = bootstrapArguments(release);
  const name = `matrix-${codenames[release]}-${await recipeHash([], args)}`;
  const dir = await cachedDir(join(guestCacheDir(), name), async (partial) => {
    say(`installing Debian ${release} with mmdebstrap, some minutes`);
    const input = await hostSources(codenames[release], release === 11 ? '-security' : undefined);
    const tarball = join(partial, 'base.tar');
    await run('mmdebstrap', [...args, tarball, '-'], { wallMs: 1_800_000, input, env: proxyEnv() });
  });
  return join(dir, 'base.tar');
}

/** Unpacks the base of a release into `dir`, which it makes. */
export async function unpackBase(release: Release, dir: string, say: Say): Promise<void> {
  const tarball = await baseTarball(release, say);
  await run('mkdir', [dir]);
  await run('tar', ['--extract', '--numeric-owner', '--xattrs', '--file', tarball, '--directory', dir]);
}
