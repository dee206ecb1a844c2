import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { createPartial, linkFinal, partialPathOf, recordPartial } from '../../../activities/image/publish.ts';
import { discardWork, finish } from '../../../activities/report/finish.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const run = { migrationId: 'migrate-image-web01-1a2b3c4d', runId: '0123456789abcdef' };
const spec = migrationSpec.parse({
  name: 'web01',
  source: { kind: 'image', disks: ['/images/a.qcow2', '/images/b.qcow2'] },
});

/** A run that finished its first disk and was copying its second, with an overlay in its work directory. */
async function halfDone() {
  const [stateDir, directory] = [scratchDirectory(), scratchDirectory()];
  const work = new WorkDir(stateDir, run);
  const disk = {
    index: 0,
    path: join(directory, 'web01-disk1.qcow2'),
    format: 'qcow2' as const,
    ...{ virtualSizeBytes: 512, allocatedBytes: 512, dataBytes: 512, seconds: 1, verified: false },
  };
  const [first, second] = [0, 1].map((index) => partialPathOf(directory, run, index)) as [string, string];
  await createPartial(work, first);
  await writeFile(first, 'whole', { flag: 'r+' });
  await recordPartial(work, first, disk);
  await linkFinal(work, first, disk);
  await createPartial(work, second);
  await writeFile(join(work.scratch, 'overlay-disk0.qcow2'), 'overlay');
  return { deps: { host: { stateDir } }, ctx: { run, spec }, work, directory, disk };
}

const startedAt = '2026-11-23T07:00:00Z';
const report: MigrationReport = {
  migrationId: run.migrationId,
  vm: 'web01',
  status: 'completed',
  startedAt,
  endedAt: '2026-11-23T07:06:40Z',
  steps: [
    { name: 'convert', state: { status: 'done', startedAt, endedAt: '2026-11-23T07:00:30Z' } },
    { name: 'report', state: { status: 'running', startedAt } },
  ],
  fixes: [],
  disks: [],
  kept: [],
};

describe('the end of a migration that succeeded', () => {
  it('keeps the report and the finished disk, and nothing else', async () => {
    const { ctx, deps, work, directory, disk } = await halfDone();
    const { reportPath } = await finish(ctx, report, deps);
    expect(await readdir(work.root)).toEqual(['report.json', 'report.md']);
    expect(await readFile(reportPath, 'utf8')).toContain('web01 was migrated');
    expect((await stat(reportPath)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['web01-disk1.qcow2']);
    expect(await readFile(disk.path, 'utf8')).toBe('whole');
  });

  it('can come twice, and the report is the later one', async () => {
    const { ctx, deps, work } = await halfDone();
    await finish(ctx, report, deps);
    await finish(ctx, { ...report, status: 'failed' }, deps);
    expect(await readFile(work.kept('report.md'), 'utf8')).toContain('web01 was NOT migrated');
    expect(await readdir(work.root)).toEqual(['report.json', 'report.md']);
  });

  it('is itself a step that is over in the report that is kept', async () => {
    const { ctx, deps, work } = await halfDone();
    await finish(ctx, report, deps);
    const kept = JSON.parse(await readFile(work.kept('report.json'), 'utf8')) as MigrationReport;
    expect(kept.steps.map(({ state }) => state.status)).toEqual(['done', 'done']);
    expect(await readFile(work.kept('report.md'), 'utf8')).not.toContain('running');
  });
});

describe('giving a migration up', () => {
  it('keeps a disk that was finished, says so, and removes the rest', async () => {
    const { ctx, deps, work, directory, disk } = await halfDone();
    expect(await discardWork(ctx, { purgeDisks: false }, deps)).toEqual({ kept: [disk.path] });
    expect(await readdir(directory)).toEqual(['web01-disk1.qcow2']);
    await finish(ctx, { ...report, status: 'failed', kept: [disk.path] }, deps);
    expect(await readdir(work.root)).toEqual(['report.json', 'report.md']);
  });

  it('removes finished disks too when a purge is asked for', async () => {
    const { ctx, deps, directory } = await halfDone();
    expect(await discardWork(ctx, { purgeDisks: true }, deps)).toEqual({ kept: [] });
    expect(await readdir(directory)).toEqual([]);
  });

  it('purges no file that somebody else put in the place of the disk', async () => {
    const { ctx, deps, directory, disk } = await halfDone();
    const other = `${disk.path}.new`;
    await writeFile(other, 'theirs');
    await rename(other, disk.path);
    expect(await discardWork(ctx, { purgeDisks: true }, deps)).toEqual({ kept: [] });
    expect(await readdir(directory)).toEqual(['web01-disk1.qcow2']);
    expect(await readFile(disk.path, 'utf8')).toBe('theirs');
  });

  it('says again which disk was kept when it comes twice', async () => {
    const { ctx, deps, disk } = await halfDone();
    await discardWork(ctx, { purgeDisks: false }, deps);
    expect(await discardWork(ctx, { purgeDisks: false }, deps)).toEqual({ kept: [disk.path] });
  });

  it('can come twice', async () => {
    const { ctx, deps } = await halfDone();
    await discardWork(ctx, { purgeDisks: true }, deps);
    expect(await discardWork(ctx, { purgeDisks: true }, deps)).toEqual({ kept: [] });
  });
});
