import { link, lstat, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TargetDisk } from '../../../contracts/values.ts';
import {
  createPartial,
  dropPartial,
  findPublished,
  linkFinal,
  partialPathOf,
  recordPartial,
  removePublished,
  requireFree,
} from '../../../activities/image/publish.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const run = { migrationId: 'vm-1', runId: '0123456789abcdef' };

function setUp() {
  const directory = scratchDirectory();
  const work = new WorkDir(scratchDirectory(), run);
  const partial = partialPathOf(directory, run, 0);
  const target: TargetDisk = {
    index: 0,
    path: join(directory, 'vm-disk1.qcow2'),
    format: 'qcow2',
    virtualSizeBytes: 512,
    allocatedBytes: 512,
    dataBytes: 512,
    seconds: 1,
    verified: false,
  };
  const steps = [
    () => createPartial(work, partial),
    () => writeFile(partial, 'half', { flag: 'r+' }),
    () => writeFile(partial, 'whole', { flag: 'r+' }),
    () => recordPartial(work, partial, target),
    () => linkFinal(work, partial, target),
    () => dropPartial(partial),
  ];
  /** What convertDisk does: asks first, then goes through the steps, up to `count` of them. */
  const attempt = async (count = steps.length) => {
    if (await findPublished(work, partial, 0)) return 'was there';
    await requireFree(target.path);
    for (const step of steps.slice(0, count)) await step();
    return 'made';
  };
  return { directory, work, partial, target, attempt };
}

describe('publishing a disk', () => {
  it.each([0, 1, 2, 3, 4, 5, 6])('comes to the same end when it was killed after %i steps', async (count) => {
    const { directory, work, target, attempt } = setUp();
    await attempt(count);
    const early = await readFile(target.path, 'utf8').catch(() => 'none');
    expect(['none', 'whole']).toContain(early);

    expect(await attempt()).toBe(count >= 5 ? 'was there' : 'made');
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
    expect(await readFile(target.path, 'utf8')).toBe('whole');
    const { mode, nlink } = await lstat(target.path);
    expect([mode & 0o777, nlink]).toEqual([0o600, 1]);
    expect(await findPublished(work, '/nowhere/.partial', 0).catch(() => target)).toEqual(target);
  });

  it.each([3, 4])('never replaces a file that came to stand there after %i steps', async (count) => {
    const { target, attempt } = setUp();
    await attempt(count);
    await writeFile(target.path, 'theirs');
    await expect(attempt()).rejects.toMatchObject({ code: 'TARGET_EXISTS' });
    expect(await readFile(target.path, 'utf8')).toBe('theirs');
  });

  it('does not replace a file that appears at the last moment', async () => {
    const { work, partial, target, attempt } = setUp();
    await attempt(4);
    await writeFile(target.path, 'theirs');
    await expect(linkFinal(work, partial, target)).rejects.toMatchObject({ code: 'TARGET_EXISTS' });
    expect(await readFile(target.path, 'utf8')).toBe('theirs');
  });

  it('does not take another file with the same name for its own', async () => {
    const { work, partial, target, attempt } = setUp();
    await attempt();
    await writeFile(`${target.path}.new`, 'restored from a backup');
    await rename(`${target.path}.new`, target.path);
    expect(await findPublished(work, partial, 0)).toBeUndefined();
    expect(await removePublished(work, 0)).toBeUndefined();
    expect(await readFile(target.path, 'utf8')).toBe('restored from a backup');
  });

  it('does not write through a link that lies in the way', async () => {
    const { directory, partial, target, attempt } = setUp();
    const victim = join(scratchDirectory(), 'victim');
    await writeFile(victim, 'precious');
    await symlink(victim, partial);
    expect(await attempt()).toBe('made');
    expect(await readFile(victim, 'utf8')).toBe('precious');
    expect((await lstat(target.path)).isFile()).toBe(true);
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
  });

  it('takes a dangling link under the final name for a file', async () => {
    const { target, attempt } = setUp();
    await symlink('/nowhere/at/all', target.path);
    await expect(attempt()).rejects.toMatchObject({ code: 'TARGET_EXISTS' });
  });

  it('says so when the target directory cannot be used', async () => {
    const { work } = setUp();
    await expect(createPartial(work, '/proc/nowhere/.x.partial')).rejects.toMatchObject({
      code: 'TARGET_DIRECTORY_UNUSABLE',
    });
  });

  it('removes a finished disk on a purge, and only that', async () => {
    const { directory, work, target, attempt } = setUp();
    await attempt();
    await link(target.path, join(directory, 'kept'));
    expect(await removePublished(work, 0)).toBe(target.path);
    expect(await removePublished(work, 0)).toBeUndefined();
    expect(await readdir(directory)).toEqual(['kept']);
  });

  it('leaves no partial file behind when the work directory is discarded', async () => {
    const { directory, work, attempt } = setUp();
    await attempt(2);
    await work.discard();
    expect(await readdir(directory)).toEqual([]);
  });
});
