import type { AcquiredDisk } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { askAgain, fetchDisk } from '../../transfer/fetched-disk.ts';
import { RateLimit } from '../../transfer/rate-limit.ts';
import type { SourceDeps } from '../source.ts';
import { openImage } from './open-image.ts';
import { WebDisk, type WebDiskSpec } from './web-disk.ts';

export interface FetchOptions {
  work: WorkDir;
  deps: Pick<SourceDeps, 'resolveSecret' | 'transfer'>;
  /** Of the migration. */
  maxBytesPerSecond: number | undefined;
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
  const { work, deps, maxBytesPerSecond, io } = options;
  const own = maxBytesPerSecond === undefined ? [] : [new RateLimit(maxBytesPerSecond)];
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);

  const results = await Promise.allSettled(
    specs.map(async ({ index, url, format }) => {
      try {
        const disk = await WebDisk.of(url, deps);
        const { path, transfer } = await fetchDisk({
          work,
          index,
          name: disk.name,
          open: () => disk.open(signal),
          connections: deps.transfer.connections,
          limits: [...deps.transfer.limits, ...own],
          io: { ...io, signal },
        });
        const opened = await openFetched(work, index, path, { format, signal });
        return { ...opened, transfer };
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  io.signal.throwIfAborted();
  return results.map((result) => {
    // The first reason is the one that counts; the others ended by it.
    if (result.status === 'rejected') throw stop.signal.reason;
    return result.value;
  });
}

async function openFetched(
  work: WorkDir,
  index: number,
  path: string,
  { format, signal }: { format: WebDiskSpec['format']; signal: AbortSignal },
): Promise<AcquiredDisk> {
  try {
    return await openImage(index, path, { statedFormat: format, alone: true, signal });
  } catch (error) {
    // Somebody may put a better one there before the next try.
    if (!signal.aborted) await askAgain(work, index);
    throw error;
  }
}
