import { constants } from 'node:fs';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';
import { shortRunId } from '../../contracts/runs.ts';
import type { RunRef, TargetDisk } from '../../contracts/values.ts';
import { listIfThere, readIfThere } from '../host/read-if-there.ts';
import { syncPath } from '../host/sync-path.ts';
import type { WorkDir } from '../host/work-dir.ts';

/**
 * How a finished disk gets its name, exactly once whatever is killed when:
 *
 *     createPartial   hidden file in the target directory, noted in the ledger first
 *     (convert)       fills it
 *     recordPartial   its inode and what it will be, kept durably in the work directory
 *     linkFinal       the final name; link(2) never replaces a file
 *     dropPartial     the hidden name goes
 *
 * Run again from the top, it finds in the record what an earlier attempt did. A final file with the recorded
 * inode is ours; any other is somebody else's and is never touched.
 */
interface Publication {
  target: TargetDisk;
  file: FileKey;
}

/** A file's identity that renames, links, chmod and chown leave alone. */
interface FileKey {
  dev: string;
  ino: string;
  birthNs: string;
}

/** Hidden path that a disk is written under. */
export function partialPathOf(directory: string, run: RunRef, index: number): string {
  return join(directory, `.longhaul-${run.migrationId}-${shortRunId(run.runId)}-disk${index}.partial`);
}

const recordPathOf = (work: WorkDir, index: number): string =>
  join(work.scratch, `published-disk${index}.json`);

/**
 * Makes the empty file that a disk is written to, mode 0600, in place of what an earlier attempt left.
 *
 * @throws LonghaulError TARGET_DIRECTORY_UNUSABLE.
 */
export async function createPartial(work: WorkDir, path: string): Promise<void> {
  try {
    await work.note(path);
    await rm(path, { force: true });
    await (await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)).close();
  } catch (error) {
    throw directoryError(path, error);
  }
}

/** Syncs the written file and keeps its identity, before anything can carry its final name. */
export async function recordPartial(work: WorkDir, path: string, target: TargetDisk): Promise<void> {
  await syncPath(path);
  const record: Publication = { target, file: await keyOf(path) };
  const recordPath = recordPathOf(work, target.index);
  const draft = `${recordPath}.new`;
  await rm(draft, { force: true });
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(record));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, recordPath);
  await syncPath(dirname(recordPath));
}

/**
 * Gives the recorded file its final name. Repeating it is harmless.
 *
 * @throws LonghaulError TARGET_EXISTS for another file of that name, TARGET_DIRECTORY_UNUSABLE where the
 *   file system has no hard links.
 */
export async function linkFinal(work: WorkDir, partial: string, target: TargetDisk): Promise<void> {
  const record = await readRecord(work, target.index);
  try {
    await link(partial, target.path);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw directoryError(target.path, error);
    if (!record || !(await isFile(target.path, record.file))) throw targetExists(target.path);
  }
}

/** Removes the hidden name and makes both changes of the directory durable. */
export async function dropPartial(partial: string): Promise<void> {
  await rm(partial, { force: true });
  await syncPath(dirname(partial));
}

/**
 * The disk an earlier attempt of this run finished, when its file is still there under the final name. The
 * hidden name is removed if a kill left it.
 */
export async function findPublished(
  work: WorkDir,
  partial: string,
  index: number,
): Promise<TargetDisk | undefined> {
  const record = await readRecord(work, index);
  if (!record || !(await isFile(record.target.path, record.file))) return undefined;
  await dropPartial(partial);
  return record.target;
}

/**
 * Removes a disk this run finished (a purge), if the file is still the one it made.
 *
 * @returns The path that was removed.
 */
export async function removePublished(work: WorkDir, index: number): Promise<string | undefined> {
  const path = await publishedPath(work, index);
  if (path !== undefined) await rm(path, { force: true });
  return path;
}

/** Indexes of the disks that this run finished, or was about to. */
export async function publishedDisks(work: WorkDir): Promise<number[]> {
  return (await listIfThere(work.scratch))
    .flatMap((name) => /^published-disk(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Path of the disk this run finished, when its file is still there. */
export async function publishedPath(work: WorkDir, index: number): Promise<string | undefined> {
  const record = await readRecord(work, index);
  return record && (await isFile(record.target.path, record.file)) ? record.target.path : undefined;
}

/** @throws LonghaulError TARGET_EXISTS when anything, a dangling link included, has that name. */
export async function requireFree(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return;
    throw directoryError(path, error);
  }
  throw targetExists(path);
}

async function readRecord(work: WorkDir, index: number): Promise<Publication | undefined> {
  const text = await readIfThere(recordPathOf(work, index));
  return text === undefined ? undefined : (JSON.parse(text) as Publication);
}

async function keyOf(path: string): Promise<FileKey> {
  const stat = await lstat(path, { bigint: true });
  return { dev: `${stat.dev}`, ino: `${stat.ino}`, birthNs: `${stat.birthtimeNs}` };
}

async function isFile(path: string, key: FileKey): Promise<boolean> {
  try {
    const now = await keyOf(path);
    return now.dev === key.dev && now.ino === key.ino && now.birthNs === key.birthNs;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function targetExists(path: string): LonghaulError {
  return new LonghaulError('TARGET_EXISTS', {
    found: `${path} exists and was not made by this migration`,
    remedy: 'Move it away, choose another name or directory in the spec, then retry.',
    details: { path },
  });
}

function directoryError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof LonghaulError) return error;
  const linkless = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(String(error.code));
  return new LonghaulError(
    'TARGET_DIRECTORY_UNUSABLE',
    {
      found: `${path} cannot be created (${String(error.code)})`,
      remedy: linkless
        ? 'The directory must allow the worker to create files and hard links (not vfat, not some network shares).'
        : "Make the target directory, writable for the worker's user, and retry.",
      details: { path },
    },
    error,
  );
}
