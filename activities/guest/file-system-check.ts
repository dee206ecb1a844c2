import type { FixOutcome, Mountpoint } from '../../contracts/values.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { isGuestfsFailure } from './guest-errors.ts';
import { isEssential, type MountedGuest } from './mount-manager.ts';
import type { Guestfs } from './session/guestfs.ts';

/** Five minutes are enough for some million files; larger file systems are said to be unchecked. */
const checkLimitSeconds = 300;

export interface Checked {
  /** The mounts that may be written and trimmed: what is damaged is left as it is. */
  sound: MountedGuest;
  outcome: FixOutcome;
}

/**
 * Looks through the guest's file systems before anything is written to them; nothing is ever repaired. The
 * kernel has replayed their journals when it mounted them. Before: they are mounted read-only.
 *
 * @throws LonghaulError GUEST_FILESYSTEM_DAMAGED for one that the guest boots from; others become warnings.
 */
export async function checkFileSystems(
  guest: Guestfs,
  mounted: MountedGuest,
  report: (doing: string) => void,
): Promise<Checked> {
  const started = performance.now();
  const warnings: string[] = [];
  const mountpoints: Mountpoint[] = [];
  const verdicts = new Map<string, string | undefined>();
  for (const mount of mounted.mountpoints) {
    const { path, device, fsType } = mount;
    // Bind-like second mounts and subvolumes share a device; one look is enough.
    if (!verdicts.has(device)) {
      report(`checking ${device} (${fsType}) at ${path}`);
      verdicts.set(device, await damageOf(guest, mount, warnings));
    }
    const damage = verdicts.get(device);
    if (damage === undefined) mountpoints.push(mount);
    else if (isEssential(path)) throw damaged(mount, damage);
    else warnings.push(`${path} on ${device} is damaged and was neither changed nor trimmed: ${damage}.`);
  }
  const seconds = Math.round(performance.now() - started) / 1000;
  const outcome = { fix: 'check', title: 'Check file systems', changes: [], warnings, seconds };
  return { sound: { ...mounted, mountpoints }, outcome };
}

async function damageOf(
  guest: Guestfs,
  { path, device, fsType }: Mountpoint,
  warnings: string[],
): Promise<string | undefined> {
  try {
    const { verdict, said } = await guest.checkFileSystem(path, fsType, checkLimitSeconds);
    if (verdict === 'damaged') return said;
    if (verdict === 'unchecked' && /^(ext|xfs)/.test(fsType))
      warnings.push(`${path} on ${device} was not checked: ${said}.`);
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    warnings.push(`${path} on ${device} was not checked: ${error.found}.`);
  }
  return undefined;
}

function damaged({ path, device, fsType }: Mountpoint, said: string): LonghaulError {
  return new LonghaulError('GUEST_FILESYSTEM_DAMAGED', {
    found: `${path} on ${device} (${fsType}) is damaged: ${said}`,
    remedy:
      'Boot the source VM, or attach its disk to a helper VM, and repair the file system (fsck, xfs_repair); then migrate again. guest.passthrough=true migrates the disks as they are.',
    details: { device, type: fsType },
  });
}
