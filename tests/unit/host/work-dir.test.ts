import { appendFile, mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorkDir } from '../../../activities/host/work-dir.ts';

let root: string;
let workDir: WorkDir;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longhaul-workdir-'));
  workDir = new WorkDir(root, { migrationId: 'migrate-image-a-1', runId: 'run-1' });
});
afterEach(() => rm(root, { recursive: true }));

describe("a run's work directory", () => {
  it('is private whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      await workDir.create();
      await workDir.note('/elsewhere/x.partial');
    } finally {
      process.umask(umask);
    }
    expect((await stat(workDir.scratch)).mode & 0o777).toBe(0o700);
    expect((await stat(join(workDir.root, 'ledger'))).mode & 0o777).toBe(0o600);
  });

  it('removes scratch files and noted paths, and keeps reports', async () => {
    const outside = join(root, 'target', '.longhaul-x.partial');
    await mkdir(join(root, 'target'));
    await workDir.note(outside);
    await writeFile(outside, 'half a disk');
    await writeFile(join(workDir.scratch, 'overlay'), 'x');
    await writeFile(workDir.kept('report.json'), '{}');
    await workDir.discard();
    expect(await readdir(join(root, 'target'))).toEqual([]);
    expect(await readdir(workDir.root)).toEqual(['report.json']);
    expect(await workDir.hasLeftovers()).toBe(false);
  });

  it('can be discarded twice, and after a note that was cut short by a crash', async () => {
    await workDir.note('/nowhere/one');
    await workDir.note('/nowhere/two');
    await truncate(join(workDir.root, 'ledger'), 22);
    await workDir.discard();
    await workDir.discard();
    expect(await readdir(workDir.root)).toEqual([]);
  });

  it('is discarded whole when a crash cut a note short and the run went on', async () => {
    const paths = ['before', 'after'].map((name) => join(root, name));
    for (const path of paths) await writeFile(path, 'half a disk');
    await workDir.note(paths[0] ?? '');
    await appendFile(join(workDir.root, 'ledger'), '"/nowhere/cut-sho');
    await workDir.note(paths[1] ?? '');
    await workDir.discard();
    expect(await readdir(root)).toEqual(['migrations']);
  });
});
