import { messageOf } from '../../contracts/errors.ts';
import type { FixOutcome } from '../../contracts/values.ts';
import { checkFileSystems } from './file-system-check.ts';
import { isGuestfsFailure } from './guest-errors.ts';
import type { Fix, FixContext } from './linux/fix.ts';
import { runFixes } from './linux/run-fixes.ts';
import { makeWritable, type MountedGuest } from './mount-manager.ts';
import type { Guestfs } from './session/guestfs.ts';

export interface OfflineFix {
  fixes: readonly Fix[];
  mounted: MountedGuest;
  context: Omit<FixContext, 'earlier'>;
}

/** File systems whose driver can tell the disk what it does not use. */
const trimmable = ['ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'vfat'];

/**
 * Checks the file systems, applies the fixes in their order, then gives back the space the guest does not use and unmounts. Before:
 * the guest is mounted read-only by the mount manager. After: everything is written and nothing mounted.
 *
 * @throws LonghaulError GUEST_FILESYSTEM_DAMAGED and GUEST_READ_ONLY before anything is changed;
 *   GUEST_FIX_FAILED and the session's own: the disks are half changed then, and their
 *   overlays must be made again.
 */
export async function fixOffline({ fixes, mounted, context }: OfflineFix): Promise<FixOutcome[]> {
  const { guest } = context;
  const { sound, outcome: check } = await checkFileSystems(guest, mounted, context.report);
  const writable = await makeWritable(guest, sound);
  check.warnings.push(...writable.warnings);
  const outcomes = [check, ...(await runFixes(fixes, context, 'apply'))];
  outcomes.push(await trim(guest, writable, context.report));
  context.report('writing the changes to the disks');
  await guest.sync();
  await guest.umountAll();
  return outcomes;
}

/** What the fixes would change, each planned on the guest as it is. Nothing is written. */
export function planOffline({ fixes, context }: Omit<OfflineFix, 'mounted'>): Promise<FixOutcome[]> {
  return runFixes(fixes, context, 'plan');
}

/** Blocks the guest deleted are not copied to the target. A file system that cannot be trimmed is copied whole. */
async function trim(
  guest: Guestfs,
  { mountpoints }: MountedGuest,
  report: (doing: string) => void,
): Promise<FixOutcome> {
  const started = performance.now();
  const warnings: string[] = [];
  for (const { path, fsType } of mountpoints) {
    if (!trimmable.includes(fsType)) continue;
    report(`trimming ${path}`);
    try {
      await guest.fstrim(path);
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      warnings.push(`${path} could not be trimmed: ${messageOf(error)}.`);
    }
  }
  const seconds = Math.round(performance.now() - started) / 1000;
  return { fix: 'trim', title: 'Give back unused space', changes: [], warnings, seconds };
}
