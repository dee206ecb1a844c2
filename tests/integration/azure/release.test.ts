import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Azure } from '../../simulators/azure/azure.ts';
import { nextRun } from '../../../contracts/runs.ts';
import { addShop, migrationOf, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
}, 60_000);
afterAll(() => azure.close());
beforeEach(() => {
  azure.faults.clear();
  azure.requests.clear();
  azure.settings.deniedActions = [];
});

const snapshotsOf = ({ runId }: { runId: string }) =>
  azure.world.snapshots.list().filter(({ tags }) => tags['longhaul-run'] === runId);

/** A VM that a migration stopped and fetched, with two snapshots that are there still. */
async function stoppedShop() {
  const { vm } = await addShop(azure);
  vm.powerState = 'running';
  const migration = migrationOf(azure, vm.name, { whenRunning: 'stop' });
  await migration.acquire(testIo());
  expect(vm.powerState).toBe('stopped');
  expect(snapshotsOf(migration.run)).toHaveLength(2);
  return { vm, migration };
}

describe('giving back what a migration took', () => {
  it('starts the VM again although the snapshots may not be deleted, and deletes them the next time', async () => {
    const { vm, migration } = await stoppedShop();
    azure.settings.deniedActions = ['Microsoft.Compute/snapshots/delete'];
    await expect(migration.release(testIo(), true)).rejects.toMatchObject({ code: 'AZURE_DENIED' });
    expect(vm.powerState).toBe('running');
    azure.settings.deniedActions = [];
    await migration.release(testIo(), true);
    expect(snapshotsOf(migration.run)).toEqual([]);
  });

  it('deletes the snapshots although the VM may not be started, and says that', async () => {
    const { vm, migration } = await stoppedShop();
    azure.settings.deniedActions = ['Microsoft.Compute/virtualMachines/start/action'];
    await expect(migration.release(testIo(), true)).rejects.toMatchObject({
      found: expect.stringContaining('virtualMachines/start/action') as string,
    });
    expect(snapshotsOf(migration.run)).toEqual([]);
    azure.settings.deniedActions = [];
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('running');
  });

  it('starts a VM that the run before it had stopped, which is on a host that is gone', async () => {
    const { vm, migration } = await stoppedShop();
    const elsewhere = migrationOf(azure, vm.name, { whenRunning: 'stop' }, { run: nextRun(migration.run) });
    await elsewhere.release(testIo(), true);
    expect(vm.powerState).toBe('stopped');
    await elsewhere.release(testIo(), true, { stoppedBefore: true });
    expect(vm.powerState).toBe('running');
    expect(snapshotsOf(migration.run)).toHaveLength(2);
  });

  it('forgets on a host that the migration was taken from that it had stopped the VM', async () => {
    const { vm, migration } = await stoppedShop();
    await migration.release(testIo(), false, { handedOver: true });
    expect(snapshotsOf(migration.run)).toEqual([]);
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('stopped');
  });

  it('deletes what it knows of although it may not look for more', async () => {
    const { migration } = await stoppedShop();
    azure.settings.deniedActions = ['Microsoft.Compute/restorePointCollections/read'];
    await expect(migration.release(testIo())).rejects.toMatchObject({ code: 'AZURE_DENIED' });
    expect(snapshotsOf(migration.run)).toEqual([]);
  });

  it('deletes one snapshot although the other cannot be', async () => {
    const { migration } = await stoppedShop();
    const [first] = snapshotsOf(migration.run);
    azure.faults.add({
      ...{ service: 'arm', method: 'DELETE', path: /-disk0$/, times: 2 },
      effect: { kind: 'status', status: 400, code: 'Stuck', message: 'No.' },
    });
    await expect(migration.release(testIo())).rejects.toThrow('Stuck');
    expect(snapshotsOf(migration.run).map(({ name }) => name)).toEqual([first?.name]);
    azure.faults.clear();
    await migration.release(testIo());
    expect(snapshotsOf(migration.run)).toEqual([]);
  });
});
