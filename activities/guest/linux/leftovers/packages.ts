import type { Guestfs } from '../../session/guestfs.ts';
import { isGuestfsFailure } from '../../guest-errors.ts';
import type { LonghaulError } from '../../../../contracts/errors.ts';
import { findAny } from './find.ts';

/** The package manager of a guest, run in the appliance: no network, no service is started. */
export interface PackageManager {
  readonly program: 'dpkg' | 'rpm';
  /** Directory of its database. */
  readonly database: string;
  /** Names of the packages that own these files; files that nobody owns count for nothing. */
  owners(guest: Guestfs, paths: readonly string[]): Promise<string[]>;
  /** Why the packages cannot be removed, in the manager's words; undefined when they can. Changes nothing. */
  removalObjection(guest: Guestfs, names: readonly string[]): Promise<string | undefined>;
  /** @throws LonghaulError GUESTFS_FAILED with the manager's words. */
  remove(guest: Guestfs, names: readonly string[]): Promise<void>;
  /** Why the package files cannot be installed together; undefined when they can. Changes nothing. */
  installObjection(guest: Guestfs, files: readonly string[]): Promise<string | undefined>;
  /** The files and directories that lie in package files. */
  contents(guest: Guestfs, files: readonly string[]): Promise<string[]>;
  /** Installs package files of the guest. @throws LonghaulError GUESTFS_FAILED with the manager's words. */
  install(guest: Guestfs, files: readonly string[]): Promise<void>;
}

/** A package with its scripts takes seconds; one that hangs must not take the appliance with it. */
const limitSeconds = 1200;
const maxReasonChars = 300;
const infoDir = '/var/lib/dpkg/info';
const rpmDatabases = ['/usr/lib/sysimage/rpm', '/var/lib/rpm'];

/** The package manager whose database the guest has; undefined for a guest of neither kind. */
export async function findPackageManager(guest: Guestfs): Promise<PackageManager | undefined> {
  const databases = rpmDatabases.map((dir) => `${dir}/{Packages,Packages.db,rpmdb.sqlite}`);
  const [found] = await findAny(guest, ['/var/lib/dpkg/status', ...databases]);
  if (found === undefined) return undefined;
  return found === '/var/lib/dpkg/status' ? dpkg : rpm(found.slice(0, found.lastIndexOf('/')));
}

/** apt-get(8) that knows the guest's packages and those offered, and no archive: nothing can be fetched. */
const aptSimulation = [
  ...['apt-get', '--simulate', '--yes', '--no-download', '--no-install-recommends'],
  ...['-o', 'Dir::Etc::SourceList=/dev/null', '-o', 'Dir::Etc::SourceParts=/dev/null'],
  ...['-o', 'Dir::State::Lists=/var/lib/longhaul/none', '-o', 'Dir::Cache::pkgcache='],
  ...['-o', 'Dir::Cache::srcpkgcache=', 'install'],
];

/** dpkg(1). Which package owns a file is asked of its file lists, as `dpkg -S` does, but in one pass of grep. */
const dpkg: PackageManager = {
  program: 'dpkg',
  database: '/var/lib/dpkg',
  async owners(guest, paths) {
    const patterns = aliases(paths).flatMap((path) => ['-e', path]);
    const lists = await output(guest, ['grep', '-rlxF', '--include=*.list', ...patterns, infoDir]);
    return names(lists, (line) => /^.*\/([^/]+)\.list$/.exec(line)?.[1]);
  },
  removalObjection: (guest, packages) => objection(guest, ['dpkg', '--no-act', '--purge', ...packages]),
  remove: (guest, packages) => withoutServices(guest, () => run(guest, ['dpkg', '--purge', ...packages])),
  // dpkg's own simulation does not look at what packages depend on.
  installObjection: (guest, files) => objection(guest, [...aptSimulation, ...files], /^Remv (\S+)/m),
  async contents(guest, files) {
    const lists = await Promise.all(files.map((file) => output(guest, ['dpkg-deb', '--contents', file])));
    return [...lists.join('\n').matchAll(/^\S.* \.(\/[^\n]*?)\/?(?: -> .*)?$/gm)].map(
      ([, path]) => path ?? '',
    );
  },
  install: (guest, files) => withoutServices(guest, () => run(guest, ['dpkg', '--install', ...files])),
};

/** rpm(8). */
function rpm(database: string): PackageManager {
  return {
    program: 'rpm',
    database,
    async owners(guest, paths) {
      const each = `for file do rpm -qf --qf '%{NAME}\\n' "$file"; done; exit 0`;
      return names(await output(guest, ['sh', '-c', each, 'sh', ...paths]), (line) => line);
    },
    removalObjection: (guest, packages) => objection(guest, ['rpm', '-e', '--test', ...packages]),
    remove: (guest, packages) => withoutServices(guest, () => run(guest, ['rpm', '-e', ...packages])),
    installObjection: (guest, files) => objection(guest, ['rpm', '-U', '--test', ...files]),
    async contents(guest, files) {
      const lines = await output(guest, ['rpm', '-qlp', ...files]);
      return lines.split('\n').filter((line) => line.startsWith('/'));
    },
    install: (guest, files) => withoutServices(guest, () => run(guest, ['rpm', '-U', ...files])),
  };
}

/** The words of a failure in one line. */
export function reasonOf(error: LonghaulError): string {
  const line = error.found.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > maxReasonChars ? `${line.slice(0, maxReasonChars)}...` : line;
}

/** Runs a program of the guest by its name, with a time limit that ends it alone. */
export function run(guest: Guestfs, argv: readonly string[], environment: readonly string[] = []) {
  const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
  const fixed = [path, 'LC_ALL=C', 'DEBIAN_FRONTEND=noninteractive', 'SYSTEMD_OFFLINE=1'];
  const argvFor = ['/usr/bin/env', ...fixed, ...environment, 'timeout', String(limitSeconds), ...argv];
  // A little longer than its own limit, which leaves the appliance alive.
  return guest.command(argvFor, (limitSeconds + 120) * 1000);
}

async function output(guest: Guestfs, argv: readonly string[]): Promise<string> {
  try {
    return await run(guest, argv);
  } catch (error) {
    // grep found nothing, or the guest has no such program: nobody owns the files.
    if (isGuestfsFailure(error)) return '';
    throw error;
  }
}

/** @param unwanted in the output of a simulation that would work: what it must not do */
async function objection(
  guest: Guestfs,
  argv: readonly string[],
  unwanted?: RegExp,
): Promise<string | undefined> {
  try {
    const said = await run(guest, argv);
    const found = unwanted?.exec(said)?.[1];
    return found === undefined ? undefined : `${found} would have to go`;
  } catch (error) {
    if (isGuestfsFailure(error)) return reasonOf(error);
    throw error;
  }
}

function names(lines: string, nameIn: (line: string) => string | undefined): string[] {
  const found = lines.split('\n').map(nameIn);
  // They become arguments.
  return [...new Set(found)].filter(
    (name) => name !== undefined && /^[A-Za-z0-9][\w+.:-]*$/.test(name),
  ) as string[];
}

/** File lists of Debian name files where the package put them, on whichever side of a merged /usr. */
function aliases(paths: readonly string[]): string[] {
  const merged = /^(?:\/usr)?(\/(?:bin|sbin|lib|lib64)\/.*)$/;
  return paths.flatMap((path) => {
    const inner = merged.exec(path)?.[1];
    return inner === undefined ? [path] : [inner, `/usr${inner}`];
  });
}

const policyFile = '/usr/sbin/policy-rc.d';
const initramfsPolicy = '/etc/initramfs-tools/update-initramfs.conf';

/**
 * Keeps maintainer scripts from starting services (invoke-rc.d(8) obeys policy-rc.d) and from making every
 * initramfs anew (update-initramfs(8)), which takes minutes and is what the initramfs fix is for.
 */
export async function withoutServices(guest: Guestfs, work: () => Promise<unknown>): Promise<void> {
  const ownPolicy = (await guest.isDir('/usr/sbin')) && !(await guest.exists(policyFile));
  if (ownPolicy) {
    await guest.replaceFile(policyFile, '#!/bin/sh\nexit 101\n');
    await guest.chmod(0o755, policyFile);
  }
  const before = (await guest.isFile(initramfsPolicy)) ? await guest.readFile(initramfsPolicy) : undefined;
  if (before !== undefined) await guest.replaceFile(initramfsPolicy, 'update_initramfs=no\n');
  try {
    await work();
  } finally {
    if (before !== undefined) await guest.replaceFile(initramfsPolicy, before);
    if (ownPolicy) await guest.rmF(policyFile);
  }
}
