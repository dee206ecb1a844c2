import { appendFile, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import { readIfThere } from './read-if-there.ts';
import type { RunRef } from '../../contracts/values.ts';

/**
 * The files of one run on one host.
 *
 *     <state>/migrations/<migration id>/<run id>/
 *       work/       overlays and whatever else is gone when the run ends
 *       fetched/    disks that were fetched; whole ones stay when the run did not succeed
 *       ledger      paths outside this folder that the run makes and that must not outlive it
 *       report.json, report.md, console.log, screen.png    what is kept
 */
export class WorkDir {
  readonly root: string;
  readonly stateDir: string;
  readonly run: RunRef;

  constructor(stateDir: string, run: RunRef) {
    this.stateDir = stateDir;
    this.run = run;
    this.root = join(stateDir, 'migrations', run.migrationId, run.runId);
  }

  /** Scratch space, removed when the run ends. */
  get scratch(): string {
    return join(this.root, 'work');
  }

  /** Where fetched disks lie; see activities/transfer/fetched-disk.ts. */
  get fetched(): string {
    return join(this.root, 'fetched');
  }

  /** Path of a file that is kept after the run, for example `report.json`. */
  kept(name: string): string {
    return join(this.root, name);
  }

  /**
   * A lock for `withFileLock` that is the same for all runs of the migration: an attempt that Temporal gave up may
   * still be at work. It outlives the run.
   */
  lock(what: string): string {
    return join(this.stateDir, 'locks', `${this.run.migrationId}-${what}`);
  }

  /** Makes the folders, private to the worker's user whatever the umask. Idempotent. */
  async create(): Promise<void> {
    await mkdir(this.scratch, { recursive: true, mode: 0o700 });
  }

  /** Notes a path outside the folder before it is created, so that the janitor finds it after a kill. */
  async note(path: string): Promise<void> {
    await this.create();
    // On a line of its own even after one that a crash cut short.
    const line = `\n${JSON.stringify(path)}\n`;
    await appendFile(join(this.root, 'ledger'), line, { mode: 0o600, flush: true });
  }

  /** True while the run has scratch files or noted paths. */
  async hasLeftovers(): Promise<boolean> {
    const names = await readdir(this.root);
    return names.includes('work') || names.includes('ledger');
  }

  /** Removes scratch files and every noted path. Idempotent. */
  async discard(): Promise<void> {
    for (const path of await this.noted()) await rm(path, { force: true, recursive: true });
    await rm(join(this.root, 'ledger'), { force: true });
    await rm(this.scratch, { recursive: true, force: true });
  }

  /** Removes the folder and everything of it, for runs that leave nothing behind. Idempotent. */
  async remove(): Promise<void> {
    await this.discard();
    await rm(this.root, { recursive: true, force: true });
    // The migration's folder goes with its last run.
    await rmdir(dirname(this.root)).catch((error: unknown) => {
      if (!hasErrno(error, 'ENOTEMPTY') && !hasErrno(error, 'ENOENT')) throw error;
    });
  }

  private async noted(): Promise<string[]> {
    const text = (await readIfThere(join(this.root, 'ledger'))) ?? '';
    return text.split('\n').flatMap(notedPath);
  }
}

/** A line cut short by a crash names a file that was not created yet: it says nothing. */
function notedPath(line: string): string[] {
  try {
    const path: unknown = JSON.parse(line);
    return typeof path === 'string' ? [path] : [];
  } catch {
    return [];
  }
}
