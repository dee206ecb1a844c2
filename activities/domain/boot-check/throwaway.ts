import { chown, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TargetDisk } from '../../../contracts/values.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { askQemuImg } from '../../image/qemu-img.ts';
import type { CloneOverlay } from './clone.ts';

/** Files of a boot check beside the target disks, where QEMU's user can reach them. */
export interface ThrowawayFiles {
  overlays: readonly CloneOverlay[];
  nvramPath: string;
  /** Removes them all, and gives the disks back to who had them: libvirt takes a backing file's ownership. */
  remove(): Promise<void>;
}

/** Makes an empty overlay on each disk. Names are the same at every attempt and in the ledger before they exist. */
export async function createThrowaways(
  uuid: string,
  disks: readonly TargetDisk[],
  workDir: WorkDir,
  signal: AbortSignal,
): Promise<ThrowawayFiles> {
  const beside = (disk: TargetDisk, what: string) =>
    join(dirname(disk.path), `.longhaul-${uuid}-boot-${what}`);
  const [first] = disks;
  if (first === undefined) throw new RangeError('a boot check needs a disk');
  const nvramPath = beside(first, 'nvram.fd');
  const overlays = disks.map((disk) => ({
    diskPath: disk.path,
    diskFormat: disk.format,
    overlayPath: beside(disk, `disk${disk.index}.qcow2`),
  }));
  const owners = await Promise.all(disks.map(({ path }) => stat(path)));

  const remove = async () => {
    for (const path of [...overlays.map(({ overlayPath }) => overlayPath), nvramPath])
      await rm(path, { force: true });
    for (const [at, { path }] of disks.entries()) {
      const owner = owners[at];
      if (owner) await chown(path, owner.uid, owner.gid);
    }
  };
  try {
    await workDir.note(nvramPath);
    // An NVRAM that a killed attempt left would be used as it is.
    await rm(nvramPath, { force: true });
    for (const overlay of overlays) {
      await workDir.note(overlay.overlayPath);
      await createOverlay(overlay, signal);
    }
    return { overlays, nvramPath, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function createOverlay(overlay: CloneOverlay, signal: AbortSignal): Promise<void> {
  const { overlayPath, diskPath, diskFormat } = overlay;
  await rm(overlayPath, { force: true });
  // qemu-img keeps the mode of a file that exists.
  await (await open(overlayPath, 'wx', 0o600)).close();
  const backing = JSON.stringify({ driver: diskFormat, file: { driver: 'file', filename: diskPath } });
  const args = ['create', '-q', '-f', 'qcow2', '-F', diskFormat, '-b', `json:${backing}`, overlayPath];
  await askQemuImg(args, { signal });
}
