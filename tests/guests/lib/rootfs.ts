import { join } from 'node:path';
import { cachedDir, guestCacheDir, recipeHash } from './cache.ts';
import { proxyEnv, run, type Say } from './run.ts';

const release = 'bookworm';

/** What every Debian guest has: systemd, both networking styles, a real initramfs-tools, GRUB for both firmwares. */
export const debianPackages = [
  'systemd-sysv',
  'udev',
  'dbus',
  'kmod',
  'ifupdown',
  'iproute2',
  'iputils-ping',
  'initramfs-tools',
  'zstd',
  'lvm2',
  'grub2-common',
  'grub-pc-bin',
  'grub-efi-amd64-bin',
  'linux-image-cloud-amd64',
] as const;

/** Nobody reads manuals in these guests, and unpacking them takes time. */
const leftOut = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];

/**
 * A minimal Debian as a tar file, installed once from the host's own package sources and shared by the recipes.
 *
 * @returns path of an uncompressed tar file in the cache
 */
async function debianTarball(say: Say): Promise<string> {
  const hash = await recipeHash([import.meta.filename], debianPackages);
  const dir = await cachedDir(join(guestCacheDir(), `rootfs-${hash}`), async (partial) => {
    say('installing Debian with mmdebstrap, about a minute and a half');
    const excludes = leftOut.map((path) => `--dpkgopt=path-exclude=${path}`);
    await run(
      'mmdebstrap',
      [
        ...['--quiet', '--mode=root', '--variant=minbase', ...excludes],
        ...['--include', debianPackages.join(','), release, join(partial, 'rootfs.tar'), '-'],
      ],
      { wallMs: 900_000, input: await hostSources(release), env: proxyEnv() },
    );
  });
  return join(dir, 'rootfs.tar');
}

/**
 * The host's sources of Debian, third parties left out, in the form of sources.list(5). They serve every
 * release under a name of its own: `bookworm`, `bookworm-updates`, `bookworm-security`.
 *
 * @param without the part of an old release that its archive keeps only in pieces: `-security`
 */
export async function hostSources(codename: string, without?: '-security'): Promise<string> {
  const format = '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const lines = stdout.split('\n').flatMap((line) => {
    const [origin, suite = '', component, uri] = line.split(' ');
    const [, pocket = ''] = /^[a-z]+(-updates|-security)?$/.exec(suite) ?? [];
    return origin === 'Debian' && pocket !== without ? [`deb ${uri} ${codename}${pocket} ${component}`] : [];
  });
  if (lines.length === 0) {
    throw new Error(`The host's apt knows no source of Debian; add one and run apt-get update`);
  }
  return `${[...new Set(lines)].join('\n')}\n`;
}

/** Unpacks the shared tar file into `dir`, owners and modes kept. */
export async function unpackDebian(dir: string, say: Say): Promise<void> {
  const tarball = await debianTarball(say);
  await run('mkdir', [dir]);
  await run('tar', ['--extract', '--numeric-owner', '--xattrs', '--file', tarball, '--directory', dir]);
}
