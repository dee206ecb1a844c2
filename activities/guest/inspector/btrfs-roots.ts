import type { Guestfs } from '../session/guestfs.ts';
import { localEntries } from './fstab.ts';
import { readText } from './guest-text-files.ts';
import { systemAt, type Root } from './linux-system.ts';

/** A subvolume (undefined: the top level) that looks like the root of a system. */
export interface SubvolumeSystem {
  path: string | undefined;
  /** The subvolume that its own fstab mounts at `/`; undefined when that names none. */
  fstabSubvolume: string | undefined;
}

const maxSubvolumes = 200;
const topLevelId = 5;

/**
 * The systems on a btrfs file system, snapshots collapsed to what they are snapshots of. Before: its top level
 * is mounted at `/`. The default subvolume decides where it holds a system: that is what boots on openSUSE,
 * where it is a snapper snapshot. Else each subvolume whose own fstab says that it is the root; a snapshot's
 * fstab names the original instead.
 */
export async function btrfsRoots(guest: Guestfs, device: string): Promise<Root[]> {
  // A comma would end the mount option; such a subvolume is no distribution's root.
  const subvolumes = (await guest.btrfsSubvolumeList('/')).filter(({ path }) => !path.includes(','));
  const defaultId = await guest.btrfsSubvolumeGetDefault('/');
  const preferred = subvolumes.find(({ id }) => id === defaultId)?.path;
  const found = new Map<string | undefined, Root>();
  const systems: SubvolumeSystem[] = [];
  const look = async (path: string | undefined) => {
    const prefix = path === undefined ? '' : `/${path}`;
    const system = await systemAt(guest, prefix);
    if (system === undefined) return false;
    found.set(path, {
      device,
      fsType: 'btrfs',
      ...(path === undefined ? {} : { subvolume: path }),
      ...system,
    });
    systems.push({ path, fstabSubvolume: fstabSubvolume(await readText(guest, [`${prefix}/etc/fstab`])) });
    return true;
  };
  if (preferred !== undefined) await look(preferred);
  await look(undefined);
  // Snapshots of a system that boots from the default subvolume need no look.
  for (const { path } of subvolumes.filter((each) => each.path !== preferred).slice(0, maxSubvolumes)) {
    if (!isSnapshot(path)) await look(path);
  }
  if (systems.length === 0) {
    for (const { path } of subvolumes.filter((each) => isSnapshot(each.path)).slice(0, maxSubvolumes))
      await look(path);
  }
  const isDefault = (path: string | undefined) =>
    defaultId === topLevelId ? path === undefined : path === preferred;
  return chooseSubvolumes(systems, isDefault).flatMap((path) => found.get(path) ?? []);
}

/** Those of the systems that boot by themselves; the others are copies of them. */
export function chooseSubvolumes(
  systems: readonly SubvolumeSystem[],
  isDefault: (path: string | undefined) => boolean,
): (string | undefined)[] {
  const own = systems.filter(({ path, fstabSubvolume }) =>
    fstabSubvolume === undefined ? isDefault(path) : fstabSubvolume === (path ?? ''),
  );
  const [first] = systems;
  if (own.length > 0) return own.map(({ path }) => path);
  // No fstab tells: what boots is the default; else the usual names of distributions; else all are asked about.
  const byDefault = systems.find(({ path }) => isDefault(path));
  if (byDefault !== undefined) return [byDefault.path];
  const usual = systems.find(({ path }) => ['@', 'root', '@rootfs', '@root'].includes(path ?? ''));
  if (usual !== undefined) return [usual.path];
  if (systems.every(({ path }) => path !== undefined && isSnapshot(path)) && first !== undefined)
    return [newestSnapshot(systems.map(({ path }) => path ?? ''))];
  return systems.map(({ path }) => path);
}

/** The subvolume of the root in an fstab, without its leading slash; undefined when it names none. */
function fstabSubvolume(fstab: string | undefined): string | undefined {
  const root = localEntries(fstab ?? '').find(({ path }) => path === '/');
  const option = root?.options.find((each) => each.startsWith('subvol='));
  return option?.slice('subvol='.length).replace(/^\/+|\/+$/g, '');
}

function isSnapshot(path: string): boolean {
  return /(^|\/)(\.?snapshots?|@snapshots|timeshift-btrfs|\.snap)(\/|$)/.test(path);
}

function newestSnapshot(paths: readonly string[]): string {
  const byNumber = [...paths].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return byNumber.at(-1) ?? '';
}
