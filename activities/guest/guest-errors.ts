import { LonghaulError } from '../../contracts/errors.ts';
import type { Guestfs } from './session/guestfs.ts';

/** libguestfs said no: the guest is not as expected. Anything else ends the step. */
export function isGuestfsFailure(error: unknown): error is LonghaulError {
  return error instanceof LonghaulError && error.code === 'GUESTFS_FAILED';
}

/** What mount(8) says where the appliance's kernel has no driver. */
function isUndriven(error: LonghaulError): boolean {
  return /unknown filesystem type/i.test(error.found);
}

/** What mount(8) and the kernel say of a file system whose structures do not hold. */
const damage =
  /structure needs cleaning|bad superblock|can't read superblock|wrong fs type|input\/output error|bad message|mount\(2\) system call failed|corrupt/i;

const logLines = 12;
/** How XFS, ext4, btrfs and F2FS refuse what a newer mkfs made; to mount(8) that is a bad superblock too. */
const newerThanKernel = /\b(XFS|EXT4-fs|BTRFS|F2FS-fs)\b.*\b(unknown|unsupported)\b.*\bfeature/i;

/**
 * Why a mount that failed just now is no sign of damage: there is no driver, or the file system has features
 * that the appliance's kernel is too old for. Undefined for anything else.
 */
export async function whyUndriven(
  guest: Pick<Guestfs, 'kernelLog'>,
  error: LonghaulError,
): Promise<string | undefined> {
  if (isUndriven(error)) return "the appliance's kernel has no driver for it";
  if (!looksDamaged(error)) return undefined;
  try {
    const lines = (await guest.kernelLog()).trimEnd().split('\n').slice(-logLines);
    const said = lines.findLast((line) => newerThanKernel.test(line));
    return said === undefined
      ? undefined
      : `the appliance's kernel is too old for it: ${said.replace(/^\[[^\]]*\]\s*/, '').slice(0, 200)}`;
  } catch (failure) {
    if (!isGuestfsFailure(failure)) throw failure;
    return undefined;
  }
}

export function looksDamaged(error: LonghaulError): boolean {
  return damage.test(error.found);
}

/** What mount(8) says of a file system that the kernel will read but not write. */
export function isReadOnly(error: LonghaulError): boolean {
  return /read-only file system|write-protected|read-only/i.test(error.found);
}

export function onlyReadOnly(device: string, type: string, why: string): LonghaulError {
  return new LonghaulError('GUEST_READ_ONLY', {
    found: `${device} holds ${type} that can only be mounted read-only: ${why}`,
    remedy:
      'Make it writable in the source VM (tune2fs -O ^read-only, btrfs property set / ro false, or a repair) and migrate again; guest.passthrough=true migrates the disks as they are.',
    details: { device, type },
  });
}

/** A file system that the guest needs, and that is not to be repaired but to be mounted by a newer kernel. */
export function undriven(device: string, type: string, why: string, error: LonghaulError): LonghaulError {
  return new LonghaulError(
    'GUEST_UNSUPPORTED',
    {
      found: `${device} holds ${type}, and ${why}`,
      remedy:
        'Give this host a newer kernel, of which its appliance is made; guest.passthrough=true migrates the disks as they are.',
      details: { device, type },
    },
    error,
  );
}

export function fileSystemDamaged(device: string, type: string, error: LonghaulError): LonghaulError {
  return new LonghaulError(
    'GUEST_FILESYSTEM_DAMAGED',
    {
      found: `${device} holds ${type} but cannot be mounted: ${error.found}`,
      remedy: `Boot the source VM, or attach its disk to a helper VM, and repair the file system (fsck, xfs_repair); then migrate again. guest.fix=false migrates the disks as they are.`,
      details: { device, type },
    },
    error,
  );
}
