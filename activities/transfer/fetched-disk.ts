import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import type { DiskTransfer } from '../../contracts/values.ts';
import { withFileLock } from '../host/file-lock.ts';
import { ProgressMeter } from '../host/progress-meter.ts';
import { listIfThere, readIfThere } from '../host/read-if-there.ts';
import { replaceFile } from '../host/replace-file.ts';
import type { StepIo } from '../host/step-io.ts';
import type { WorkDir } from '../host/work-dir.ts';
import { type DownloadJob, download } from './download.ts';
import type { RangeSource } from './range-source.ts';
import type { Room } from './room.ts';

export interface FetchJob {
  work: WorkDir;
  index: number;
  /** For people, without anything secret. */
  name: string;
  /** Of the bytes, where it is known before they are asked for; see `RangeSource.identity`. */
  identity?: string;
  /** See `DownloadJob.open`. */
  open: () => Promise<RangeSource>;
  connections: number;
  limits: DownloadJob['limits'];
  /** Of all disks of the VM. */
  room: Room;
  /** 8 MiB when left out. */
  chunkBytes?: number;
  io: StepIo;
}

export interface FetchedDisk {
  path: string;
  transfer: DiskTransfer;
}

const defaultChunkBytes = 8 * 1024 ** 2;

/**
 * The disks that a run fetches, in a folder of its own below the run's:
 *
 *     fetched/disk0                  the disk, sparse
 *     fetched/disk0.journal          what of it is there; see `Journal`
 *     fetched/disk0.json             how it came, written when it is whole
 *     fetched/disk0.patch(.journal)  while it is brought up to date; see patched-disk.ts
 */
export function placeOf(work: WorkDir, index: number) {
  const path = join(work.fetched, `disk${index}`);
  return {
    path,
    journal: `${path}.journal`,
    record: `${path}.json`,
    patch: `${path}.patch`,
    patchJournal: `${path}.patch.journal`,
  };
}

/** Keeps a second attempt at the same disk out. @throws LonghaulError WORK_LOCKED */
export async function withDisk<T>({ work, index, io }: FetchJob, body: () => Promise<T>): Promise<T> {
  // Without a work directory the janitor would not see that there is something of this run.
  await work.create();
  await mkdir(work.fetched, { recursive: true, mode: 0o700 });
  return withFileLock(work.lock(`fetch${index}`), io.signal, body);
}

/**
 * Brings a disk to the host, or carries on with that. A disk that is whole is not asked for again.
 *
 * @throws LonghaulError WORK_LOCKED, SPACE_INSUFFICIENT before anything is fetched, and what `download` throws.
 */
export async function fetchDisk(job: FetchJob): Promise<FetchedDisk> {
  return withDisk(job, async () => {
    const place = placeOf(job.work, job.index);
    const known = await fetchedDisk(job.work, job.index);
    if (
      known?.transfer.from === job.name &&
      known.transfer.identity === (job.identity ?? known.transfer.identity)
    )
      return known;
    // This was another disk, or an earlier state of it.
    for (const path of [place.record, place.patch, place.patchJournal]) await rm(path, { force: true });
    return fetchInto(job, { journalPath: place.journal });
  });
}

/** Fetches into the disk's file, and records it as whole. */
export async function fetchInto(
  job: FetchJob,
  how: Pick<DownloadJob, 'journalPath' | 'ontoEarlier'>,
): Promise<FetchedDisk> {
  const { path, record } = placeOf(job.work, job.index);
  const started = performance.now();
  const { identity, dataBytes, fetchedBytes, sha256 } = await download({
    ...how,
    path,
    open: async () => {
      const source = await job.open();
      await job.room.require(path, source);
      return source;
    },
    connections: job.connections,
    chunkBytes: job.chunkBytes ?? defaultChunkBytes,
    limits: job.limits,
    signal: job.io.signal,
    onProgress: reporter(job),
  });
  const seconds = (performance.now() - started) / 1000;
  const transfer = { from: job.name, identity, dataBytes, fetchedBytes, sha256, seconds };
  await replaceFile(record, JSON.stringify({ transfer, file: await markOf(path) }));
  return { path, transfer };
}

/** Asks for a disk again the next time, since what came is no good; what did not change there is not fetched again. */
export async function askAgain(work: WorkDir, index: number): Promise<void> {
  await rm(placeOf(work, index).record, { force: true });
}

/** The disk, when it is whole. */
export async function fetchedDisk(work: WorkDir, index: number): Promise<FetchedDisk | undefined> {
  const { path, record } = placeOf(work, index);
  const transfer = await readRecord(record, path);
  return transfer === undefined ? undefined : { path, transfer };
}

/** Removes what a run fetched. @returns paths of whole disks that were kept, when they are not to go too. */
export async function discardFetched(
  work: WorkDir,
  { keepWhole }: { keepWhole: boolean },
): Promise<string[]> {
  const kept: string[] = [];
  for (const index of keepWhole ? await fetchedIndexes(work) : []) {
    const place = placeOf(work, index);
    if ((await readRecord(place.record, place.path)) !== undefined) kept.push(place.path);
    else for (const path of Object.values(place)) await rm(path, { force: true });
  }
  if (kept.length === 0) await rm(work.fetched, { recursive: true, force: true });
  return kept;
}

/** Of the disks that were begun at least. */
async function fetchedIndexes(work: WorkDir): Promise<number[]> {
  const names = await listIfThere(work.fetched);
  const indexes = names.flatMap((name) => /^disk(\d+)(\.|$)/.exec(name)?.[1] ?? []).map(Number);
  return [...new Set(indexes)].sort((a, b) => a - b);
}

function reporter({ index, name, io }: FetchJob): DownloadJob['onProgress'] {
  let meter: ProgressMeter | undefined;
  return ({ doneBytes, totalBytes, waiting }) => {
    meter ??= new ProgressMeter(index, totalBytes, performance.now(), doneBytes);
    const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
    io.report(waiting ?? `fetching ${name}`, meter.at(share, performance.now()));
  };
}

interface FetchRecord {
  transfer: DiskTransfer;
  /** Of the file: a record says nothing of another one in its place, or of one that was cut. */
  file: string;
}

/** What is recorded of the file, when it is still that one. */
async function readRecord(record: string, path: string): Promise<DiskTransfer | undefined> {
  const text = await readIfThere(record);
  if (text === undefined) return undefined;
  const { transfer, file } = JSON.parse(text) as FetchRecord;
  return file === (await markOf(path)) ? transfer : undefined;
}

async function markOf(path: string): Promise<string | undefined> {
  try {
    const { ino, birthtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${birthtimeNs} ${size}`;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
