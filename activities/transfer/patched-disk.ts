import { open, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { LonghaulError } from '../../contracts/errors.ts';
import { zeroRange } from '../host/zero-range.ts';
import type { WorkDir } from '../host/work-dir.ts';
import { readIfThere } from '../host/read-if-there.ts';
import { replaceFile } from '../host/replace-file.ts';
import { syncPath } from '../host/sync-path.ts';
import type { Extent } from './extents.ts';
import {
  fetchedDisk,
  type FetchedDisk,
  fetchInto,
  type FetchJob,
  placeOf,
  withDisk,
} from './fetched-disk.ts';
import type { RangeSource } from './range-source.ts';

/** What became different in a disk since an earlier state of it. */
export interface DiskChange {
  /** Its extents are those that were written since. */
  source: RangeSource;
  /** Extents that read as zeros now. */
  cleared: readonly Extent[];
}

export interface PatchJob extends Omit<FetchJob, 'open'> {
  /** The state that the file must be in. */
  before: string;
  /** The state that it is in afterwards: the identity of what is different. */
  identity: string;
  /** Asks for what is different; see `DownloadJob.open`. */
  open: () => Promise<DiskChange>;
}

/** While a file is between two states. */
const mark = z.object({ before: z.string(), after: z.string() });

/**
 * Brings a disk that was fetched up to date. Until that is done the file is in no state at all: it does not count
 * as fetched, and whatever ends this in the middle, called again it carries on.
 *
 * @throws LonghaulError SOURCE_CHANGED when the file is in neither state, and what `fetchDisk` throws.
 */
export async function patchDisk(job: PatchJob): Promise<FetchedDisk> {
  const { work, index } = job;
  const place = placeOf(work, index);
  const fetchJob: FetchJob = {
    ...job,
    open: async () => {
      const { source, cleared } = await job.open();
      await clear(place.path, cleared, source.sizeBytes);
      return source;
    },
  };
  return withDisk(fetchJob, async () => {
    const known = await fetchedDisk(work, index);
    if (known && known.transfer.identity !== job.before) throw notThatState(job, known.transfer.identity);
    if (known) {
      await replaceFile(place.patch, JSON.stringify({ before: job.before, after: job.identity }));
      for (const path of [place.record, place.journal]) await rm(path, { force: true });
      // A power cut must not bring them back beside a file that is changed.
      await syncPath(work.fetched);
    } else {
      // What was patched on the way to another state may be neither's.
      const between = await markOf(place.patch);
      if (between?.before !== job.before || between.after !== job.identity)
        throw notThatState(job, undefined);
    }
    const done = await fetchInto(fetchJob, { journalPath: place.patchJournal, ontoEarlier: true });
    for (const path of [place.patchJournal, place.patch]) await rm(path, { force: true });
    return done;
  });
}

/** The state that a disk is in, or was in before a patch that is not done. @returns its identity */
export async function stateOf(work: WorkDir, index: number): Promise<string | undefined> {
  const fetched = await fetchedDisk(work, index);
  return fetched?.transfer.identity ?? (await markOf(placeOf(work, index).patch))?.before;
}

async function clear(path: string, cleared: readonly Extent[], sizeBytes: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    // Beyond its old end a disk that grew reads as zeros anyway.
    const end = Math.min((await stat(path)).size, sizeBytes);
    for (const { offset, length } of cleared)
      if (offset < end) await zeroRange(file, offset, Math.min(length, end - offset));
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function markOf(path: string): Promise<z.infer<typeof mark> | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : mark.parse(JSON.parse(text));
}

function notThatState({ name, before }: PatchJob, found: string | undefined): LonghaulError {
  return new LonghaulError('SOURCE_CHANGED', {
    found: `${name}: what was fetched is ${found ?? 'not whole'}, where changes since ${before} were to be applied`,
    remedy: 'Fetch it whole again.',
  });
}
