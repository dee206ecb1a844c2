import { join } from 'node:path';
import type { GuestName } from '../guests/guests.ts';
import { run } from '../guests/lib/run.ts';

/** Volumes with the fstab of guests that call their disk by NVMe's names. */
const roots: Partial<Record<GuestName, string>> = { 'debian-uefi-lvm': '/dev/vg/root' };

/**
 * The disk with SCSI names in its fstab, as a copy, where the guest has NVMe's: virt-v2v 2.2 does not know those,
 * finds neither /boot nor the ESP and ends. Longhaul takes the guest as it is (tests/e2e/guests/debian.test.ts).
 */
export async function withScsiNames(name: GuestName, disk: string, scratch: string): Promise<string> {
  const root = roots[name];
  if (root === undefined) return disk;
  const copy = join(scratch, 'scsi-names.raw');
  await run('cp', ['--sparse=always', '--reflink=auto', '--no-preserve=mode', disk, copy]);
  const edit = "sed -i 's,/dev/nvme0n1p,/dev/sda,' /etc/fstab";
  await run('guestfish', ['--format=raw', '-a', copy, 'run', ':', 'mount', root, '/', ':', 'sh', edit], {
    env: applianceEnv,
  });
  return copy;
}

const applianceEnv = { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' };
