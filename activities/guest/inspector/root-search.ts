import type { LonghaulError } from '../../../contracts/errors.ts';
import { extendedBootLoader } from '../../image/partition-table.ts';
import { fileSystemDamaged, isGuestfsFailure, looksDamaged, whyUndriven } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { BlockDevices } from './block-devices.ts';
import { btrfsRoots } from './btrfs-roots.ts';
import { systemAt, type Root } from './linux-system.ts';
import type { Volume } from './volumes.ts';

export interface WindowsRoot {
  device: string;
  /** Its hiberfil.sys holds a system that sleeps, or the kernel of one that was shut down by fast startup. */
  hibernated: boolean;
}

export interface Undriven {
  device: string;
  type: string;
  why: string;
}

export interface RootSearch {
  roots: Root[];
  windows: WindowsRoot[];
  /** One error for each file system of a known type that could not be mounted or read. */
  damaged: LonghaulError[];
  /** File systems that the appliance's kernel cannot mount though they are sound: what they hold is not known. */
  undriven: Undriven[];
  /** What is mounted at `/` when the search ends, read-only; undefined when nothing of use is. */
  mounted?: Root;
}

const rootTypes = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'jfs', 'reiserfs'];
/** GPT types that say that it is something else: swap, /home, /srv, /var, /var/tmp, /boot (XBOOTLDR). */
const notRoot = [
  '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
  '933AC7E1-2EB4-4F13-B844-0E14E2AEF915',
  '3B8F8425-20E0-4F3B-907F-1A25A76F98E8',
  '4D21B016-B534-45C2-A9FB-5C16E091FD2D',
  '7EC6F557-3BC5-4ACA-B293-16EF5DF639D1',
  extendedBootLoader,
];

/**
 * Looks at every file system that could hold an operating system. Before: nothing is mounted. After: the
 * last one looked at may still be mounted, read-only, at `/`; `mounted` says so when it is a root.
 */
export async function findRoots(guest: Guestfs, devices: BlockDevices): Promise<RootSearch> {
  const search: RootSearch = { roots: [], windows: [], damaged: [], undriven: [] };
  for (const volume of candidates(devices)) {
    const { device, type: fsType } = volume;
    delete search.mounted;
    await whenMountable(guest, volume, search, async () => {
      if (fsType === 'ntfs') {
        if (await holdsWindows(guest))
          search.windows.push({ device, hibernated: await isHibernatedWindows(guest) });
        return;
      }
      const roots =
        fsType === 'btrfs' ? await btrfsRoots(guest, device) : await plainRoots(guest, { device, fsType });
      search.roots.push(...roots);
      const [only] = roots;
      // A subvolume still has to be mounted by its name.
      if (only !== undefined && only.subvolume === undefined) search.mounted = only;
    });
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

/** A btrfs file system on several devices is one candidate, on the first of them. */
function candidates(devices: BlockDevices): Volume[] {
  const seen = new Set<string>();
  return devices.volumes.filter((volume) => {
    const { device, type, uuid, members = 1 } = volume;
    if (!rootTypes.includes(type) && type !== 'ntfs') return false;
    if (notRoot.includes(devices.partition(device)?.type ?? '')) return false;
    if (members === 1 || uuid === undefined) return true;
    const again = seen.has(uuid);
    seen.add(uuid);
    return !again;
  });
}

async function whenMountable(
  guest: Guestfs,
  { device, type: fsType }: Volume,
  search: RootSearch,
  look: () => Promise<void>,
): Promise<void> {
  await guest.umountAll();
  try {
    await guest.mount(device, '/', rootOptions({ device, fsType }, 'ro'));
    await look();
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    const why = await whyUndriven(guest, error);
    if (why !== undefined) search.undriven.push({ device, type: fsType, why });
    else if (looksDamaged(error)) search.damaged.push(fileSystemDamaged(device, fsType, error));
    else throw error;
  }
}

async function plainRoots(guest: Guestfs, root: Root): Promise<Root[]> {
  const system = await systemAt(guest, '');
  return system === undefined ? [] : [{ ...root, ...system }];
}

async function holdsWindows(guest: Guestfs): Promise<boolean> {
  const windows = (await guest.ls('/')).find((name) => /^windows$/i.test(name));
  if (windows === undefined || !(await guest.isDir(`/${windows}`))) return false;
  return (await guest.ls(`/${windows}`)).some((name) => /^system32$/i.test(name));
}

/** A file that was woken from begins with `wake` or zeros; one to wake up from with `hibr`. */
async function isHibernatedWindows(guest: Guestfs): Promise<boolean> {
  const name = (await guest.ls('/')).find((each) => /^hiberfil\.sys$/i.test(each));
  if (name === undefined || !(await guest.isFile(`/${name}`))) return false;
  return /^hibr/i.test((await guest.readPart(`/${name}`, 4, 0)).toString('latin1'));
}
