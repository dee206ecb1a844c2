import { access } from 'node:fs/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defineDomain } from '../../../activities/domain/define.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { leftoverIdOf } from '../../../contracts/runs.ts';
import { removeLeftovers } from '../../../workers/janitor.ts';
import { createLogger } from '../../../workers/logging.ts';
import { testSources } from '../../support/sources.ts';
import { temporalInMemory } from '../../support/temporal.ts';
import { DomainBench, virsh } from './bench.ts';
import { writeBootSectorDisk } from './boot-sector.ts';

let environment: TestWorkflowEnvironment;
let bench: DomainBench;
beforeAll(async () => {
  environment = await temporalInMemory();
});
afterAll(() => environment.teardown());
beforeEach(async () => {
  bench = await DomainBench.create();
  await writeBootSectorDisk(bench.diskPath(), 'tiny login: ');
});
afterEach(() => bench.remove());

/** A migration that defined its domain and still has its work directory. */
async function migrationWithDomain(): Promise<WorkflowHandleWithFirstExecutionRunId> {
  const handle = await environment.client.workflow.start('migrateVm', {
    workflowId: bench.run.migrationId,
    taskQueue: 'nobody-listens',
    args: [],
  });
  const run = { migrationId: handle.workflowId, runId: handle.firstExecutionRunId };
  await new WorkDir(bench.host.stateDir, run).create();
  // No NIC, so that it can be started wherever the default network is not.
  const input = await bench.input(undefined, {
    vm: { name: bench.name, cpus: 1, memoryMiB: 64, nics: [] },
  });
  await defineDomain({ ...bench.context(), run }, input, bench.deps, bench.io());
  return handle;
}

const startWorker = () =>
  removeLeftovers({
    hostId: 'kvm1',
    client: environment.client,
    ...bench.host,
    sourceOf: testSources(),
    log: createLogger('silent'),
  });
const isDefined = async () => (await virsh('list', '--all', '--name')).split('\n').includes(bench.name);

describe('the domain of a migration, when a worker starts', () => {
  it('stays while the migration lives', async () => {
    const handle = await migrationWithDomain();
    await startWorker();
    expect(await isDefined()).toBe(true);
    await handle.terminate();
  });

  it('goes when the migration was given up and could not be undone; its disk stays', async () => {
    const handle = await migrationWithDomain();
    await handle.terminate();
    await startWorker();
    expect(await isDefined()).toBe(false);
    await access(bench.diskPath());
  });

  it('goes while the migration lives elsewhere, when what was to remove it here was given up', async () => {
    const handle = await migrationWithDomain();
    const run = { migrationId: handle.workflowId, runId: handle.firstExecutionRunId };
    const cleaner = await environment.client.workflow.start('cleanUpHost', {
      workflowId: leftoverIdOf(run, 'kvm1'),
      taskQueue: 'nobody-listens',
      args: [],
    });
    await startWorker();
    expect(await isDefined()).toBe(true);
    await cleaner.terminate();
    await startWorker();
    expect(await isDefined()).toBe(false);
    await access(bench.diskPath());
    await handle.terminate();
  });

  it('stays when somebody has started it, though it is shut off again', async () => {
    const handle = await migrationWithDomain();
    await virsh('start', bench.name);
    await virsh('destroy', bench.name);
    await handle.terminate();
    await startWorker();
    expect(await isDefined()).toBe(true);
  });

  it('stays when a later migration of the VM took the place of the one that made it', async () => {
    const handle = await migrationWithDomain();
    await handle.terminate();
    const later = await environment.client.workflow.start('migrateVm', {
      workflowId: handle.workflowId,
      taskQueue: 'nobody-listens',
      args: [],
    });
    await startWorker();
    expect(await isDefined()).toBe(true);
    await later.terminate();
  });
});
