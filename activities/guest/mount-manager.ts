import { LonghaulError } from '../../contracts/errors.ts';
import type { Mountpoint } from '../../contracts/values.ts';
import { fileSystemDamaged, isGuestfsFailure, looksDamaged } from './guest-errors.ts';
import type { BlockDevices } from './inspector/block-devices.ts';
import { localEntries, type FstabEntry } from './inspector/fstab.ts';
import { rootOptions, type Root } from './inspector/root-choice.ts';
import type { Guestfs } from './session/guestfs.ts';

export interface MountedGuest {
  root: Root;
  /** Parents before children; the first is `/`. */
  mountpoints: Mountpoint[];
  warnings: string[];
}

/** Without these a Linux system does not start, or its kernels cannot be found. */
const essentialPaths = ['/usr', '/boot', '/etc', '/var'];
const maxTableBytes = 1024 * 1024;

/**
 * Mounts the root and everything in its fstab that lies on the VM's own disks, read-only. Before: containers
 * that can be opened are open. After: the guest's tree stands as it does when the guest runs.
 *
 * @throws LonghaulError GUEST_FILESYSTEM_DAMAGED, GUEST_DISK_MISSING; for what is not needed to boot both
 *   are warnings.
 */
export async function mountGuest(guest: Guestfs, devices: BlockDevices, root: Root): Promise<MountedGuest> {
  await guest.umountAll();
  await guest.mount(root.device, '/', rootOptions(root, 'ro'));
  await addCrypttabNames(guest, devices);
  const mounted: MountedGuest = {
    root,
    mountpoints: [mountpoint(devices, '/', root.device, root.fsType)],
    warnings: [],
  };
  for (const entry of localEntries(await readTable(guest, '/etc/fstab'))) {
    if (entry.path !== '/') await mountEntry(guest, devices, entry, mounted);
  }
  return mounted;
}

/**
 * Makes the mounted file systems writable.
 *
 * @throws LonghaulError GUEST_FILESYSTEM_DAMAGED when one refuses: the kernel found errors in it.
 */
export async function makeWritable(guest: Guestfs, { mountpoints }: MountedGuest): Promise<void> {
  for (const { path, device, fsType } of mountpoints) {
    try {
      await guest.remount(path, true);
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      throw fileSystemDamaged(device, fsType, error);
    }
  }
}

async function mountEntry(
  guest: Guestfs,
  devices: BlockDevices,
  entry: FstabEntry,
  mounted: MountedGuest,
): Promise<void> {
  const essential = essentialPaths.includes(entry.path) && !entry.options.includes('nofail');
  const device = await devices.resolve(entry.device);
  const type = device === undefined ? undefined : devices.volume(device)?.type;
  if (device === undefined || type === undefined || type === 'swap') {
    const found = `${entry.path} of /etc/fstab (${entry.device}) lies on no disk of this VM`;
    if (essential) throw diskMissing(found, devices.disks.length);
    mounted.warnings.push(`${found}; it was not mounted.`);
    return;
  }
  try {
    const target = await mountTarget(guest, entry.path);
    await guest.mount(device, target, entryOptions(entry, type));
    mounted.mountpoints.push(mountpoint(devices, entry.path, device, type));
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    if (essential && looksDamaged(error)) throw fileSystemDamaged(device, type, error);
    mounted.warnings.push(`${entry.path} (${device}) could not be mounted: ${error.found}.`);
  }
}

/** Resolved inside the guest: mounting over a symbolic link would follow it in the appliance. */
async function mountTarget(guest: Guestfs, path: string): Promise<string> {
  const real = await guest.realpath(path);
  if (await guest.isDir(real)) return real;
  throw new LonghaulError('GUESTFS_FAILED', {
    found: `${path} is not a directory`,
    remedy: 'Make the mount point a directory in the source VM.',
  });
}

function entryOptions({ options }: FstabEntry, type: string): string {
  const kept = ['ro'];
  if (type === 'xfs') kept.push('nouuid');
  if (type === 'btrfs') kept.push(...options.filter((option) => /^subvol(id)?=[^\s]+$/.test(option)));
  return kept.join(',');
}

function mountpoint(devices: BlockDevices, path: string, device: string, fsType: string): Mountpoint {
  const uuid = devices.volume(device)?.uuid;
  return { path, device, fsType, ...(uuid === undefined ? {} : { uuid }) };
}

/** /dev/mapper names of opened containers: ours carry the container's UUID, the guest's are its own. */
async function addCrypttabNames(guest: Guestfs, devices: BlockDevices): Promise<void> {
  const table = await readTable(guest, '/etc/crypttab');
  for (const [, name, uuid] of table.matchAll(/^\s*([^\s#]\S*)\s+UUID="?([0-9a-fA-F-]{36})/gm)) {
    if (name === undefined || uuid === undefined) continue;
    const opened = `/dev/mapper/luks-${uuid.toLowerCase()}`;
    if (devices.volume(opened) !== undefined) devices.addAlias(`/dev/mapper/${name}`, opened);
  }
}

async function readTable(guest: Guestfs, path: string): Promise<string> {
  return (await guest.isFile(path)) ? (await guest.readFile(path, maxTableBytes)).toString() : '';
}

function diskMissing(found: string, diskCount: number): LonghaulError {
  return new LonghaulError('GUEST_DISK_MISSING', {
    found: `${found} (it has ${diskCount})`,
    remedy: 'Add the missing disk to source.disks, or add nofail to that line of fstab in the source VM.',
  });
}
