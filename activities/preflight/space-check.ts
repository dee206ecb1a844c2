import type { MigrationSpec } from '../../contracts/spec.ts';
import type { AcquiredDisk, Finding, RemoteDisk } from '../../contracts/values.ts';
import { describeBytes, deviceOf, freeSpace } from '../host/space.ts';
import { blocker, warning } from '../../contracts/findings.ts';
import type { Check } from './check.ts';

const mebibyte = 2 ** 20;
/** What fixing a guest may write to its overlay: new initramfs images, configuration, trimmed metadata. */
const overlayReserveBytes = 512 * mebibyte;

type AnyDisk = AcquiredDisk | RemoteDisk;

/** Bytes of data, or undefined where only the source will tell once it is read. */
const dataBytesOf = (disk: AnyDisk) => ('allocatedBytes' in disk ? disk.allocatedBytes : disk.dataBytes);

/**
 * Bytes a disk may need on the target at most: its data, and for qcow2 the tables over its whole size. With
 * clusters of 64 KiB those are 8 bytes (L2 table) and 2 bytes (refcount) a cluster, plus header and L1 table;
 * https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt
 */
function targetBytes(disk: AnyDisk, format: MigrationSpec['target']['format']): number {
  const data = dataBytesOf(disk) ?? disk.virtualSizeBytes;
  if (format === 'raw') return data;
  const clusters = Math.ceil(disk.virtualSizeBytes / 65_536);
  return data + clusters * 10 + mebibyte;
}

export function neededBytes(disks: readonly AnyDisk[], format: MigrationSpec['target']['format']): number {
  return disks.reduce((sum, disk) => sum + targetBytes(disk, format), 0);
}

/** The target takes the disks, and the state directory what is fetched and the overlays; on one file system, both. */
export const checkSpace: Check = async ({ spec, disks, remoteDisks, targetDirectory, deps }) => {
  const all = [...disks, ...remoteDisks];
  if (targetDirectory === undefined || all.length === 0) return [];
  const { stateDir } = deps.host;
  const disksNeed = neededBytes(all, spec.target.format);
  const fetchNeeds = remoteDisks.reduce(
    (sum, disk) => sum + (dataBytesOf(disk) ?? disk.virtualSizeBytes),
    spec.guest.fix ? overlayReserveBytes : 0,
  );
  const what = remoteDisks.length > 0 ? 'the fetched disks and the overlays' : 'the overlays';
  const together = (await deviceOf(targetDirectory)) === (await deviceOf(stateDir));
  const places = together
    ? [{ path: targetDirectory, needed: disksNeed + fetchNeeds, what: `the disks and ${what}` }]
    : [
        { path: targetDirectory, needed: disksNeed, what: 'the disks' },
        { path: stateDir, needed: fetchNeeds, what: `${what} that the guest is fixed on` },
      ];
  // How much of a disk holds data some sources tell only when it is read: then it may fit all the same.
  const sure = remoteDisks.every((disk) => disk.dataBytes !== undefined);
  const findings: Finding[] = [];
  for (const { path, needed, what } of places) {
    const { freeBytes } = await freeSpace(path);
    if (freeBytes >= needed) continue;
    const found = `${what} may need ${describeBytes(needed)} in ${path}, which has ${describeBytes(freeBytes)} free`;
    const remedy = `Free ${describeBytes(needed - freeBytes)} there, or choose a directory on another file system.`;
    findings.push(
      sure
        ? blocker('SPACE_INSUFFICIENT', found, remedy)
        : warning(
            'space-may-lack',
            found,
            `${remedy} How much the disks really hold is known when they are fetched; before that nothing is written.`,
          ),
    );
  }
  return findings;
};
