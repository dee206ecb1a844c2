import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import { removeLeftovers } from '../../../workers/janitor.ts';
import { createLogger } from '../../../workers/logging.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { optionsOf } from '../../support/azure.ts';
import { addShop, migrationOf, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { testSources } from '../../support/sources.ts';
import { temporalInMemory } from '../../support/temporal.ts';

let azure: Azure;
let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  azure = await startTrustedAzure();
  environment = await temporalInMemory();
}, 120_000);
afterAll(async () => {
  await environment.teardown();
  await azure.close();
});
beforeEach(() => {
  azure.settings.deniedActions = [];
});

/** A migration that stopped its VM and has snapshots of it, when its host goes away. */
async function lostMigration(more: Partial<AzureSourceSpec> = {}) {
  const { vm } = await addShop(azure);
  vm.powerState = 'running';
  const migrationId = `migrate-azure-${vm.name}`;
  const handle = await environment.client.workflow.start('migrateVm', {
    ...{ workflowId: migrationId, taskQueue: 'nobody-listens', args: [] },
  });
  const run = { migrationId, runId: handle.firstExecutionRunId };
  const stateDir = scratchDirectory();
  const migration = migrationOf(azure, vm.name, { whenRunning: 'stop', ...more }, { run, stateDir });
  await migration.acquire(testIo());
  expect(vm.powerState).toBe('stopped');
  const startWorker = () =>
    removeLeftovers({
      hostId: 'kvm1',
      ...{ client: environment.client, stateDir, libvirtUri: 'test:///default' },
      sourceOf: testSources({ AZURE_SECRET: azure.clientSecret }, optionsOf(azure)),
      log: createLogger('silent'),
    });
  const snapshots = () =>
    azure.world.snapshots.list().filter(({ tags }) => tags['longhaul-run'] === run.runId);
  return { vm, handle, startWorker, snapshots, work: new WorkDir(stateDir, run) };
}

describe('what a migration has in Azure, when a worker starts', () => {
  it('stays while the migration lives', async () => {
    const { vm, handle, startWorker, snapshots } = await lostMigration();
    await startWorker();
    expect(snapshots()).toHaveLength(2);
    expect(vm.powerState).toBe('stopped');
    await handle.terminate();
  });

  it('goes when it was terminated, and its VM is started again; once', async () => {
    const { vm, handle, startWorker, snapshots } = await lostMigration();
    await handle.terminate();
    await startWorker();
    expect(snapshots()).toEqual([]);
    expect(vm.powerState).toBe('running');
    azure.requests.clear();
    await startWorker();
    expect(azure.requests.all).toEqual([]);
  });

  it('goes although the work files are gone already, as after a failed undo', async () => {
    const { vm, handle, startWorker, snapshots, work } = await lostMigration();
    await handle.terminate();
    await work.discard();
    await startWorker();
    expect(snapshots()).toEqual([]);
    expect(vm.powerState).toBe('running');
  });

  it('goes, and the VM stays stopped, when its spec says that it is never started', async () => {
    const { vm, handle, startWorker, snapshots } = await lostMigration({ restart: 'never' });
    await handle.terminate();
    await startWorker();
    expect(snapshots()).toEqual([]);
    expect(vm.powerState).toBe('stopped');
  });

  it('waits for the next start when Azure does not let it go, and keeps nothing else', async () => {
    const { handle, startWorker, snapshots, work } = await lostMigration();
    await handle.terminate();
    azure.settings.deniedActions = ['Microsoft.Compute/snapshots/delete'];
    await startWorker();
    expect(snapshots()).toHaveLength(2);
    expect(await work.hasLeftovers()).toBe(false);
    azure.settings.deniedActions = [];
    await startWorker();
    expect(snapshots()).toEqual([]);
  });
});
