import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MigrationSpec } from '../../contracts/spec.ts';
import type { AcquiredDisk } from '../../contracts/values.ts';
import { hasErrno } from '../../contracts/errors.ts';
import { describeBytes, freeSpace } from '../host/space.ts';
import { type Check, blocker } from './check.ts';

const mebibyte = 2 ** 20;
/** What fixing a guest may write to its overlay: new initramfs images, configuration, trimmed metadata. */
const overlayReserveBytes = 512 * mebibyte;

/**
 * Bytes a disk may need on the target at most: its data, and for qcow2 the tables over its whole size. With
 * clusters of 64 KiB those are 8 bytes (L2 table) and 2 bytes (refcount) a cluster, plus header and L1 table;
 * https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt
 */
function targetBytes(disk: AcquiredDisk, format: MigrationSpec['target']['format']): number {
  if (format === 'raw') return disk.allocatedBytes;
  const clusters = Math.ceil(disk.virtualSizeBytes / 65_536);
  return disk.allocatedBytes + clusters * 10 + mebibyte;
}

export function neededBytes(
  disks: readonly AcquiredDisk[],
  format: MigrationSpec['target']['format'],
): number {
  return disks.reduce((sum, disk) => sum + targetBytes(disk, format), 0);
}

/** The target takes the disks, and the state directory the overlays; on one file system, both together. */
export const checkSpace: Check = async ({ spec, disks, targetDirectory, deps }) => {
  if (targetDirectory === undefined || disks.length === 0) return [];
  const { stateDir } = deps.host;
  const disksNeed = neededBytes(disks, spec.target.format);
  const overlayNeeds = spec.guest.fix ? overlayReserveBytes : 0;
  const together = (await deviceOf(targetDirectory)) === (await deviceOf(stateDir));
  const places = together
    ? [{ path: targetDirectory, needed: disksNeed + overlayNeeds, what: 'the disks and the overlays' }]
    : [
        { path: targetDirectory, needed: disksNeed, what: 'the disks' },
        { path: stateDir, needed: overlayNeeds, what: 'the overlays that the guest is fixed on' },
      ];
  const findings = [];
  for (const { path, needed, what } of places) {
    const { freeBytes } = await freeSpace(path);
    if (freeBytes >= needed) continue;
    findings.push(
      blocker(
        'SPACE_INSUFFICIENT',
        `${what} may need ${describeBytes(needed)} in ${path}, which has ${describeBytes(freeBytes)} free`,
        `Free ${describeBytes(needed - freeBytes)} there, or choose a directory on another file system.`,
      ),
    );
  }
  return findings;
};

async function deviceOf(path: string): Promise<number> {
  try {
    return (await stat(path)).dev;
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && dirname(path) !== path) return deviceOf(dirname(path));
    throw error;
  }
}
