import { randomUUID } from 'node:crypto';
import { LonghaulError } from '../../contracts/errors.ts';
import type { Mountpoint } from '../../contracts/values.ts';
import {
  fileSystemDamaged,
  isGuestfsFailure,
  isReadOnly,
  looksDamaged,
  onlyReadOnly,
  undriven,
  whyUndriven,
} from './guest-errors.ts';
import type { BlockDevices } from './inspector/block-devices.ts';
import { localEntries, namedPaths, type FstabEntry } from './inspector/fstab.ts';
import { bootPartitions } from './inspector/gpt-auto.ts';
import {
  addArrayNames,
  containersToRename,
  renameContainers,
  type NameTables,
} from './inspector/guest-names.ts';
import { readText } from './inspector/guest-text-files.ts';
import type { Root } from './inspector/linux-system.ts';
import { rootOptions } from './inspector/root-search.ts';
import { orderUnknown } from './linux/disk-order.ts';
import { guestLocked, type UnlockResult } from './luks-handler.ts';
import type { Guestfs } from './session/guestfs.ts';

export interface MountedGuest {
  root: Root;
  /** Parents before children; the first is `/`. */
  mountpoints: Mountpoint[];
  /** /etc/fstab as it was read; empty when there is none. */
  fstab: string;
  warnings: string[];
}

/** Without these a Linux system does not start, or its kernels cannot be found. */
const essentialPaths = ['/', '/usr', '/boot', '/etc', '/var'];

/** Whether the guest needs what is mounted there to boot, or to be fixed. */
export function isEssential(path: string): boolean {
  return essentialPaths.includes(path);
}

const maxTableBytes = 1024 * 1024;

export interface MountOptions {
  guest: Guestfs;
  devices: BlockDevices;
  root: Root;
  unlocked: Pick<UnlockResult, 'opened' | 'locked'>;
  /** The root is mounted at `/` already, read-only. */
  mounted: boolean;
}

/**
 * Mounts the root and everything in its fstab that lies on the VM's own disks, read-only. Before: containers
 * that can be opened are open. After: the guest's tree stands as it does when the guest runs, and its
 * containers have the names that the guest gives them.
 *
 * @throws LonghaulError GUEST_FILESYSTEM_DAMAGED, GUEST_DISK_MISSING, GUEST_LOCKED; for what is not needed to
 *   boot these are warnings.
 */
export async function mountGuest(options: MountOptions): Promise<MountedGuest> {
  const { guest, devices } = options;
  let { root } = options;
  if (!options.mounted) await mountRoot(guest, root);
  const fstab = await readTable(guest, '/etc/fstab');
  const otherOrder = devices.learnOrder(fstab, root.device);
  const tables = await nameTables(options, fstab);
  const renamings = await containersToRename(devices, tables, options.unlocked.opened);
  const warnings: string[] = otherOrder === undefined ? [] : [otherOrder];
  if (renamings.length > 0) {
    const held = renamings.find(({ container }) => container.mapped === root.device)?.container;
    await guest.umountAll();
    warnings.push(...(await renameContainers(guest, devices, renamings)));
    if (held !== undefined) root = { ...root, device: held.mapped };
    await mountRoot(guest, root);
  }
  await addArrayNames(devices, tables);
  const mounted: MountedGuest = {
    root,
    mountpoints: [mountpoint(devices, '/', root.device, root.fsType)],
    fstab,
    warnings,
  };
  for (const entry of localEntries(fstab)) {
    if (entry.path !== '/') await mountEntry(options, entry, mounted);
  }
  await mountUnlisted(options, mounted);
  return mounted;
}

/** What systemd mounts by itself, when fstab does not speak of it and nothing lies at its place. */
async function mountUnlisted(options: MountOptions, mounted: MountedGuest): Promise<void> {
  const { guest, devices, root } = options;
  const named = namedPaths(mounted.fstab);
  const taken = new Set(mounted.mountpoints.map(({ device }) => device));
  for (const { device, fsType, places } of bootPartitions(devices, root.device)) {
    if (taken.has(device)) continue;
    for (const path of places) {
      if (named.has(path) || mounted.mountpoints.some((mount) => mount.path === path)) continue;
      if ((await guest.isSymlink(path)) || !(await guest.isDir(path)) || (await guest.ls(path)).length > 0)
        continue;
      await mountEntry(options, { device, path, fsType, options: ['nofail'] }, mounted);
      break;
    }
  }
}

/** Read only where they can matter: most guests have neither containers nor arrays. */
async function nameTables({ guest, unlocked }: MountOptions, fstab: string): Promise<NameTables> {
  return {
    crypttab: unlocked.opened.length === 0 ? '' : await readTable(guest, '/etc/crypttab'),
    mdadmConf: fstab.includes('/dev/md')
      ? await readTable(guest, '/etc/mdadm/mdadm.conf', '/etc/mdadm.conf')
      : '',
  };
}

async function mountRoot(guest: Guestfs, root: Root): Promise<void> {
  await guest.umountAll();
  await guest.mount(root.device, '/', rootOptions(root, 'ro'));
}

/** Where a boot loader for the new firmware may have to be written. */
const loaderPaths = ['/boot/efi', '/efi'];

/**
 * Makes the mounted file systems writable. What the guest boots without may stay read-only: it is left out of
 * the mounts that are returned, whose warnings say so.
 *
 * @throws LonghaulError GUEST_READ_ONLY when one that is needed cannot be written at all,
 *   GUEST_FILESYSTEM_DAMAGED when the kernel found errors in it.
 */
export async function makeWritable(guest: Guestfs, mounted: MountedGuest): Promise<MountedGuest> {
  const mountpoints: Mountpoint[] = [];
  const warnings: string[] = [];
  for (const mount of mounted.mountpoints) {
    const { path, device, fsType } = mount;
    try {
      await guest.remount(path, true);
      if (fsType === 'btrfs') await tryToWrite(guest, path);
      mountpoints.push(mount);
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      if (isEssential(path) || loaderPaths.includes(path)) {
        throw isReadOnly(error)
          ? onlyReadOnly(device, fsType, error.found)
          : fileSystemDamaged(device, fsType, error);
      }
      warnings.push(`${path} on ${device} (${fsType}) stays read-only and is left as it is: ${error.found}.`);
    }
  }
  return { ...mounted, mountpoints, warnings };
}

/** A subvolume with the property "ro" lets itself be mounted for writing, and then refuses every write. */
async function tryToWrite(guest: Guestfs, path: string): Promise<void> {
  const probe = `${path === '/' ? '' : path}/.longhaul-${randomUUID()}`;
  await guest.mkdirP(probe);
  await guest.rmRf(probe);
}

async function mountEntry(
  { guest, devices, unlocked }: MountOptions,
  entry: FstabEntry,
  mounted: MountedGuest,
): Promise<void> {
  const essential = isEssential(entry.path) && !entry.options.includes('nofail');
  const device = await devices.resolve(entry.device);
  const type = device === undefined ? undefined : devices.volume(device)?.type;
  if (device === undefined || type === undefined || type === 'swap') {
    const name = `${entry.path} of /etc/fstab (${entry.device})`;
    if (essential && devices.isUnclear(entry.device)) throw diskOrderUnknown(name);
    const found = devices.isUnclear(entry.device)
      ? `${name} ${orderUnknown}`
      : `${name} lies on no disk of this VM`;
    if (essential && unlocked.locked.length > 0) throw guestLocked(unlocked.locked, found);
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
    if (essential && looksDamaged(error)) {
      const why = await whyUndriven(guest, error);
      throw why === undefined ? fileSystemDamaged(device, type, error) : undriven(device, type, why, error);
    }
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

async function readTable(guest: Guestfs, ...paths: string[]): Promise<string> {
  return (await readText(guest, paths, maxTableBytes)) ?? '';
}

function diskOrderUnknown(name: string): LonghaulError {
  return new LonghaulError('GUEST_DISK_MISSING', {
    found: `${name} ${orderUnknown}`,
    remedy:
      'Put source.disks into the order that the guest counts its disks in (lsblk), or name file systems by UUID in its fstab.',
  });
}

function diskMissing(found: string, diskCount: number): LonghaulError {
  return new LonghaulError('GUEST_DISK_MISSING', {
    found: `${found} (it has ${diskCount})`,
    remedy: 'Add the missing disk to source.disks, or add nofail to that line of fstab in the source VM.',
  });
}
