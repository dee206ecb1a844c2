import type { GuestFacts } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { readText } from './guest-text-files.ts';
import { distroOf } from './os-release.ts';

/** A file system that holds an operating system, and how to mount it. */
export interface Root {
  device: string;
  fsType: string;
  /** The btrfs subvolume, relative to the top level; absent for the file system's own root. */
  subvolume?: string;
  distro?: GuestFacts['distro'];
}

const systemFiles = ['/etc/fstab', '/sbin/init', '/bin/sh', '/usr/bin/sh', '/usr/lib/systemd/systemd'];
const releaseFiles = ['/etc/os-release', '/usr/lib/os-release', '/etc/redhat-release', '/etc/debian_version'];

/**
 * Whether a directory is the root of a Linux system, and of which one. In a `prefix` an absolute link cannot
 * be followed: the link itself counts.
 */
export async function systemAt(
  guest: Guestfs,
  prefix: string,
): Promise<{ distro?: NonNullable<GuestFacts['distro']> } | undefined> {
  if (!(await guest.ls(prefix === '' ? '/' : prefix)).includes('etc')) return undefined;
  const there = (path: string) => guest.exists(prefix + path);
  const distro = await distroAt(guest, prefix);
  if (distro === undefined && !(await oneOf(releaseFiles, there))) return undefined;
  if (!(await oneOf(systemFiles, there))) return undefined;
  return distro === undefined ? {} : { distro };
}

export async function distroAt(guest: Guestfs, prefix: string): Promise<GuestFacts['distro']> {
  const at = (...paths: string[]) => paths.map((path) => prefix + path);
  const osRelease = await readText(guest, at('/etc/os-release', '/usr/lib/os-release'));
  if (osRelease !== undefined) return distroOf({ osRelease });
  const redhatRelease = await readText(guest, at('/etc/redhat-release'));
  if (redhatRelease !== undefined) return distroOf({ redhatRelease });
  const debianVersion = await readText(guest, at('/etc/debian_version'));
  return debianVersion === undefined ? undefined : distroOf({ debianVersion });
}

async function oneOf(paths: readonly string[], there: (path: string) => Promise<boolean>): Promise<boolean> {
  for (const path of paths) if (await there(path)) return true;
  return false;
}
