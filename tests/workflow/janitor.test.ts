import { randomUUID } from 'node:crypto';
import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WorkDir } from '../../activities/host/work-dir.ts';
import { leftoverIdOf, nextRun } from '../../contracts/runs.ts';
import { removeLeftovers } from '../../workers/janitor.ts';
import { createLogger } from '../../workers/logging.ts';
import { testSources } from '../support/sources.ts';
import { temporalInMemory } from '../support/temporal.ts';

let environment: TestWorkflowEnvironment;
let stateDir: string;

beforeAll(async () => {
  environment = await temporalInMemory();
}, 120_000);
afterAll(() => environment.teardown());
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'longhaul-janitor-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

const clean = (libvirtUri = 'test:///default') =>
  removeLeftovers({
    hostId: 'kvm1',
    client: environment.client,
    stateDir,
    libvirtUri,
    sourceOf: testSources(),
    log: createLogger('silent'),
  });

/** A migration that some worker began: a running workflow, an overlay, a partial file on the target, a report. */
async function begunMigration() {
  const migrationId = `migrate-image-web01-${randomUUID().slice(0, 8)}`;
  const handle = await environment.client.workflow.start('migrateVm', {
    workflowId: migrationId,
    taskQueue: 'nobody-listens',
    args: [],
  });
  const work = new WorkDir(stateDir, { migrationId, runId: handle.firstExecutionRunId });
  const partial = join(stateDir, `.longhaul-${migrationId}.partial`);
  await work.note(partial);
  await writeFile(partial, 'half a disk');
  await writeFile(join(work.scratch, 'overlay-disk0.qcow2'), 'overlay');
  await writeFile(work.kept('report.json'), '{}');
  return { handle, work, partial };
}

/** The workflow that is to remove here what a run left that was taken to another host. */
const cleanerOf = ({ run }: WorkDir) =>
  environment.client.workflow.start('cleanUpHost', {
    workflowId: leftoverIdOf(run, 'kvm1'),
    taskQueue: 'nobody-listens',
    args: [],
  });

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

describe('the janitor at worker start', () => {
  it('leaves a running migration what it needs to go on', async () => {
    const { handle, work, partial } = await begunMigration();
    await clean();
    expect(await exists(partial)).toBe(true);
    expect(await readdir(work.scratch)).toEqual(['overlay-disk0.qcow2']);
    await handle.terminate();
  });

  it('removes what a migration left that has ended, and keeps its report', async () => {
    const { handle, work, partial } = await begunMigration();
    await handle.terminate();
    await clean();
    expect(await exists(partial)).toBe(false);
    expect(await readdir(work.root)).toEqual(['report.json']);
  });

  it('removes what an earlier run of a migration left that was started again', async () => {
    const { handle, partial } = await begunMigration();
    await handle.terminate();
    const again = await environment.client.workflow.start('migrateVm', {
      workflowId: handle.workflowId,
      taskQueue: 'nobody-listens',
      args: [],
    });
    await clean();
    expect(await exists(partial)).toBe(false);
    await again.terminate();
  });

  it('leaves what a run had here that was taken to another host to the workflow that removes it', async () => {
    const { handle, work, partial } = await begunMigration();
    const cleaner = await cleanerOf(work);
    await handle.terminate();
    await clean();
    expect(await exists(partial)).toBe(true);
    await cleaner.terminate();
    await clean();
    expect(await exists(partial)).toBe(false);
  });

  it('removes what a run had here that goes on elsewhere, when the workflow for that was given up', async () => {
    const { handle, work, partial } = await begunMigration();
    const cleaner = await cleanerOf(work);
    await clean();
    expect(await exists(partial)).toBe(true);
    await cleaner.terminate();
    await clean();
    expect(await exists(partial)).toBe(false);
    await handle.terminate();
  });

  it('leaves a running migration what it needs that came here from another host', async () => {
    const { handle, work } = await begunMigration();
    const second = new WorkDir(stateDir, nextRun(work.run));
    await second.create();
    await writeFile(join(second.scratch, 'overlay-disk0.qcow2'), 'overlay');
    await clean();
    expect(await readdir(second.scratch)).toEqual(['overlay-disk0.qcow2']);
    await handle.terminate();
    await clean();
    expect(await readdir(second.root)).toEqual([]);
  });

  it('leaves everything for the next start while libvirt is away, which may have the domain', async () => {
    const { handle, work, partial } = await begunMigration();
    await handle.terminate();
    await clean('qemu+unix:///system?socket=/nowhere');
    expect(await exists(partial)).toBe(true);
    expect(await work.hasLeftovers()).toBe(true);
    await clean();
    expect(await exists(partial)).toBe(false);
  });

  it('touches nothing when the worker was pointed at another Temporal namespace', async () => {
    const { handle, partial } = await begunMigration();
    await handle.terminate();
    await writeFile(join(stateDir, 'namespace-id'), randomUUID());
    await clean();
    expect(await exists(partial)).toBe(true);
  });
});
