import type { AcquiredDisk } from '../../../contracts/values.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { openDisk } from '../../image/open-disk.ts';
import { askAgain, fetchDisk } from '../../transfer/fetched-disk.ts';
import { Room } from '../../transfer/room.ts';
import type { RateLimit } from '../../transfer/rate-limit.ts';
import type { SourceDeps } from '../source.ts';
import { WebDisk, type WebDiskSpec } from '../web-disk.ts';

export interface FetchOptions {
  work: WorkDir;
  deps: Pick<SourceDeps, 'resolveSecret' | 'transfer'>;
  /** Of the migration. */
  limits?: readonly RateLimit[] | undefined;
  io: StepIo;
}

/**
 * Brings disks from web servers to this host, side by side, and opens them. What is there is not fetched again.
 * When one cannot be had the others stop, too: what came of them is kept.
 */
export async function fetchDisks(
  specs: readonly WebDiskSpec[],
  options: FetchOptions,
): Promise<AcquiredDisk[]> {
  const { work, deps, io } = options;
  const limits = [...deps.transfer.limits, ...(options.limits ?? [])];
  const room = new Room();
  return sideBySide(specs, io, async ({ index, url, format }, together) => {
    const disk = await WebDisk.of(url, deps);
    const { path, transfer } = await fetchDisk({
      work,
      index,
      name: disk.name,
      open: () => disk.open(together.signal),
      connections: deps.transfer.connections,
      limits,
      room,
      io: together,
    });
    return { ...(await openFetched(work, index, { path, format }, together.signal)), transfer };
  });
}

async function openFetched(
  work: WorkDir,
  index: number,
  disk: { path: string; format: WebDiskSpec['format'] },
  signal: AbortSignal,
): Promise<AcquiredDisk> {
  try {
    return await openDisk(index, { ...disk, alone: true }, signal);
  } catch (error) {
    // Somebody may put a better one there before the next try.
    if (!signal.aborted) await askAgain(work, index);
    throw error;
  }
}
