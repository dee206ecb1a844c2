import { LonghaulError } from '../../../contracts/errors.ts';
import type { Mountpoint } from '../../../contracts/values.ts';
import { recognise } from '../../image/signatures.ts';
import { isGuestfsFailure, onlyReadOnly } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { BlockDevices } from './block-devices.ts';
import { otherSystemOf } from './other-systems.ts';
import type { Undriven } from './root-search.ts';

/**
 * Why a VM is not fixed at all. Each is said before anything is changed, with what was found and a way on.
 */

const passthrough = 'guest.passthrough=true migrates the disks as they are, and boots them to see';

/** A hibernated system would wake up on other hardware, with file systems changed behind its back. */
export function refuseHibernated(devices: BlockDevices): void {
  const [device] = devices.ofType('swsuspend');
  if (device !== undefined) throw hibernated(`${device} holds its memory`, device);
}

/** The same for swap files; fstab names them by path. Before: the guest is mounted. */
export async function refuseHibernatedFile(guest: Guestfs, fstab: string): Promise<void> {
  for (const path of swapFilesOf(fstab).slice(0, 8)) {
    try {
      const [area] = recognise(await guest.readPart(path, 4096, 0));
      if (area?.type === 'swsuspend') throw hibernated(`the swap file ${path} holds its memory`, path);
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
    }
  }
}

/** Files that an fstab has swap in. */
export function swapFilesOf(fstab: string): string[] {
  return [...fstab.matchAll(/^[ \t]*(\/(?!dev\/)\S+)[ \t]+\S+[ \t]+swap\b/gm)].map(([, path]) => path ?? '');
}

function hibernated(how: string, device: string): LonghaulError {
  return new LonghaulError('GUEST_HIBERNATED', {
    found: `the guest is hibernated: ${how}`,
    remedy: 'Start the source VM, shut it down normally, and migrate again.',
    details: { device },
  });
}

/** Nothing is known to boot, and it may lie where nobody can look. */
export function undrivenRefused(volumes: readonly Undriven[]): LonghaulError {
  const held = volumes.map(({ device, type, why }) => `${device} holds ${type}, and ${why}`).join('; ');
  return new LonghaulError('GUEST_UNSUPPORTED', {
    found: `no operating system was found where one can look; ${held}`,
    remedy: `Check that source.disks names the boot disk, and give this host a newer kernel if that is what is asked for; ${passthrough}.`,
    details: { devices: volumes.map(({ device }) => device) },
  });
}

/** File systems whose superblock says that they are never to be written. */
export function refuseReadOnly(devices: BlockDevices, mountpoints: readonly Mountpoint[]): void {
  for (const { path, device, fsType } of mountpoints) {
    if (devices.volume(device)?.readOnly !== true) continue;
    throw onlyReadOnly(device, fsType, `${path} has the feature "read-only" in its superblock`);
  }
}

/**
 * Why there is no system to fix, when the disks do not look like plain data; undefined when they do. `known`
 * are the volumes that hold something recognised.
 */
export async function whyNoSystem(guest: Guestfs, devices: BlockDevices): Promise<LonghaulError | undefined> {
  const [boot] = devices.disks;
  if (boot === undefined) return undefined;
  const [bitlocker] = devices.ofType('BitLocker');
  if (bitlocker !== undefined) {
    return new LonghaulError('GUEST_BITLOCKER', {
      found: `${bitlocker} is encrypted by BitLocker`,
      remedy: `Turn BitLocker off in the source VM (manage-bde -off C:) and wait until it has decrypted the disk; ${passthrough}.`,
      details: { devices: devices.ofType('BitLocker') },
    });
  }
  const other = otherSystemOf(devices);
  if (other !== undefined) {
    return new LonghaulError('GUEST_UNSUPPORTED', {
      found: `the guest is no Linux system: ${other}`,
      remedy: `Longhaul fixes Linux guests; ${passthrough}. It boots if it has virtio drivers.`,
    });
  }
  const known = devices.volumes.filter(({ type }) => type !== 'unknown' && type !== 'unreadable');
  if (known.length > 0) return undefined;
  const sizeBytes = await guest.blockdevGetSize64(boot);
  if (devices.volume(boot)?.type === 'unreadable')
    return noOs(`the first disk (${sizeBytes} bytes) cannot be read and no other disk holds a file system`);
  if (devices.table(boot).blank)
    return noOs(`the first disk (${sizeBytes} bytes) is blank and no other disk holds a file system`);
  return noOs(
    `the first disk (${sizeBytes} bytes) holds no file system that is known, and no other disk does`,
  );
}

function noOs(found: string): LonghaulError {
  return new LonghaulError('GUEST_NO_OS', {
    found,
    remedy: `Check that source.disks names the right images, the boot disk first; ${passthrough}.`,
  });
}
