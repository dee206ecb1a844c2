import { LonghaulError } from '../../../contracts/errors.ts';
import { fileSystemDamaged, isGuestfsFailure, looksDamaged } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { BlockDevices } from './block-devices.ts';

/** A file system that holds an operating system, and how to mount it. */
export interface Root {
  device: string;
  fsType: string;
  /** The btrfs subvolume, relative to the top level; absent for the file system's own root. */
  subvolume?: string;
}

export interface RootSearch {
  roots: Root[];
  /** Devices with a Windows system directory. */
  windows: string[];
  /** One error for each file system of a known type that could not be mounted. */
  damaged: LonghaulError[];
}

const rootTypes = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'jfs', 'reiserfs'];
const releaseFiles = ['/etc/os-release', '/usr/lib/os-release', '/etc/redhat-release', '/etc/debian_version'];
const systemFiles = ['/etc/fstab', '/sbin/init', '/bin/sh', '/usr/bin/sh', '/usr/lib/systemd/systemd'];
const maxSubvolumes = 200;

/**
 * Looks at every file system that could hold an operating system. Before: nothing is mounted. After: the
 * last one looked at may still be mounted, read-only, at `/`.
 */
export async function findRoots(guest: Guestfs, devices: BlockDevices): Promise<RootSearch> {
  const search: RootSearch = { roots: [], windows: [], damaged: [] };
  for (const { device, type: fsType } of devices.volumes) {
    if (rootTypes.includes(fsType)) {
      await whenMountable(guest, device, fsType, search, async () => {
        if (fsType === 'btrfs') search.roots.push(...(await btrfsRoots(guest, device)));
        else if (await holdsSystem(guest, '')) search.roots.push({ device, fsType });
      });
    } else if (fsType === 'ntfs') {
      await whenMountable(guest, device, fsType, search, async () => {
        if (await holdsWindows(guest)) search.windows.push(device);
      });
    }
  }
  return search;
}

/** Mount options that reach a root file system's own tree. */
export function rootOptions(root: Root, mode: 'ro' | 'rw'): string {
  const options: string[] = [mode];
  // A clone of the disk beside it has the same UUID, which XFS refuses to mount twice.
  if (root.fsType === 'xfs') options.push('nouuid');
  if (root.fsType === 'btrfs') options.push(`subvol=/${root.subvolume ?? ''}`);
  return options.join(',');
}

async function whenMountable(
  guest: Guestfs,
  device: string,
  fsType: string,
  search: RootSearch,
  look: () => Promise<void>,
): Promise<void> {
  await guest.umountAll();
  try {
    await guest.mount(device, '/', rootOptions({ device, fsType }, 'ro'));
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    if (!looksDamaged(error)) throw error;
    search.damaged.push(fileSystemDamaged(device, fsType, error));
    return;
  }
  await look();
}

/** `prefix` is a directory in which an absolute link cannot be followed: the link itself counts. */
async function holdsSystem(guest: Guestfs, prefix: string): Promise<boolean> {
  const oneOf = async (paths: readonly string[]) => {
    for (const path of paths) {
      if ((await guest.exists(prefix + path)) || (await guest.isSymlink(prefix + path))) return true;
    }
    return false;
  };
  return (await oneOf(releaseFiles)) && (await oneOf(systemFiles));
}

async function holdsWindows(guest: Guestfs): Promise<boolean> {
  const windows = (await guest.ls('/')).find((name) => /^windows$/i.test(name));
  if (windows === undefined || !(await guest.isDir(`/${windows}`))) return false;
  return (await guest.ls(`/${windows}`)).some((name) => /^system32$/i.test(name));
}

/**
 * The root of a btrfs file system: its default subvolume when that holds a system (openSUSE boots a
 * snapshot so), else its top level, else its subvolumes, snapshots left out.
 */
async function btrfsRoots(guest: Guestfs, device: string): Promise<Root[]> {
  const root = (subvolume?: string): Root => ({
    device,
    fsType: 'btrfs',
    ...(subvolume === undefined ? {} : { subvolume }),
  });
  // A comma would end the mount option; such a subvolume is no distribution's root.
  const subvolumes = (await guest.btrfsSubvolumeList('/')).filter(({ path }) => !path.includes(','));
  const defaultId = await guest.btrfsSubvolumeGetDefault('/');
  const preferred = subvolumes.find(({ id }) => id === defaultId)?.path;
  if (preferred !== undefined && (await holdsSystem(guest, `/${preferred}`))) return [root(preferred)];
  if (await holdsSystem(guest, '')) return [root()];
  const found: string[] = [];
  for (const { path } of subvolumes.slice(0, maxSubvolumes)) {
    if (isSnapshot(path)) continue;
    if (await holdsSystem(guest, `/${path}`)) found.push(path);
  }
  const usual = found.find((path) => ['@', 'root', '@rootfs', '@root'].includes(path));
  return usual === undefined ? found.map((path) => root(path)) : [root(usual)];
}

function isSnapshot(path: string): boolean {
  return /(^|\/)(\.?snapshots?|@snapshots|timeshift-btrfs|\.snap)(\/|$)/.test(path);
}

/** The devices of a message, the subvolume with it. */
function describeRoot({ device, subvolume }: Root): string {
  return subvolume === undefined ? device : `${device} (subvolume ${subvolume})`;
}

/**
 * The one root file system to go on with; undefined when there is none.
 *
 * @throws LonghaulError GUEST_MULTIPLE_ROOTS, GUEST_NO_OS (the wanted one holds no system), GUEST_UNSUPPORTED
 *   (only Windows)
 */
export async function chooseRoot(
  { roots, windows }: RootSearch,
  devices: BlockDevices,
  wanted: string | undefined,
): Promise<Root | undefined> {
  const names = [...roots.map(describeRoot), ...windows.map((device) => `${device} (Windows)`)];
  if (wanted !== undefined) {
    const device = await devices.resolve(wanted);
    const chosen = roots.find((root) => root.device === device);
    if (chosen !== undefined) return chosen;
    throw new LonghaulError('GUEST_NO_OS', {
      found: `guest.root is ${wanted}, which holds no Linux system; found: ${names.join(', ') || 'none'}`,
      remedy: 'Set guest.root to one of the devices found, or leave it out.',
      details: { roots: names },
    });
  }
  if (names.length > 1) {
    throw new LonghaulError('GUEST_MULTIPLE_ROOTS', {
      found: `operating systems were found on ${names.join(' and ')}`,
      remedy: 'Set guest.root to the device of the system that the VM runs.',
      details: { roots: names },
    });
  }
  const [onlyWindows] = windows;
  if (onlyWindows !== undefined) {
    throw new LonghaulError('GUEST_UNSUPPORTED', {
      found: `the guest on ${onlyWindows} is Windows`,
      remedy: 'Install the virtio drivers in the source VM first, then migrate with guest.fix=false.',
    });
  }
  return roots[0];
}
