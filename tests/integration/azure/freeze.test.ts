import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StepIo } from '../../../activities/host/step-io.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import type { Vm } from '../../simulators/azure/arm/model.ts';
import { addShop, migrationOf, sha256Of, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { computeClient } from './clients.ts';

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
}, 60_000);
afterAll(() => azure.close());
beforeEach(() => {
  azure.faults.clear();
  azure.requests.clear();
});
afterEach(() => {
  azure.settings.backgroundCopyMs = 0;
});

const snapshotsOf = ({ runId }: { runId: string }) =>
  azure.world.snapshots.list().filter(({ tags }) => tags['longhaul-run'] === runId);
const uniqueIdsOf = (run: { runId: string }) => snapshotsOf(run).map(({ uniqueId }) => uniqueId);
const hashesOf = (disks: readonly AcquiredDisk[]) =>
  Promise.all(disks.map(({ image }) => sha256Of(image.path)));

/** Ends the step when it says something, after so many milliseconds. */
function stoppedAt(said: RegExp, afterMs = 0): StepIo {
  const stop = new AbortController();
  const report = (doing: string) => {
    if (said.test(doing)) setTimeout(() => stop.abort(new Error('the worker was stopped')), afterMs);
  };
  return { ...testIo(stop.signal), report };
}

/** Ends the step when some of the first disk was fetched. */
function stoppedInTheCopy(): StepIo {
  const stop = new AbortController();
  const report = (_doing: string, disk?: { index: number; doneBytes: number }) => {
    if (disk?.index === 0 && disk.doneBytes > 4 * 1024 ** 2) stop.abort(new Error('the worker was stopped'));
  };
  return { ...testIo(stop.signal), report };
}

/** The VM runs for a while and writes to both disks. @returns what it wrote to the start of each */
async function runForAWhile(vm: Vm): Promise<Buffer> {
  const data = randomBytes(512);
  for (const { content } of [vm.osDisk, ...vm.dataDisks.map(({ disk }) => disk)])
    await content.write(0, data);
  return data;
}

const startsOf = (disks: readonly AcquiredDisk[]) =>
  Promise.all(
    disks.map(async ({ image }) => {
      const file = await open(image.path);
      const { buffer } = await file.read(Buffer.alloc(512), 0, 512, 0);
      await file.close();
      return buffer;
    }),
  );

describe('snapshots of one moment', () => {
  it('are all taken anew when the VM may have run since an attempt that took only some', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const throttled = { kind: 'status', status: 429, retryAfterSeconds: 5 } as const;
    azure.faults.add({ service: 'arm', method: 'PUT', path: /-disk1$/, effect: throttled });
    await expect(migration.acquire(stoppedAt(/left alone/, 1_000))).rejects.toThrow('stopped');
    expect(snapshotsOf(migration.run)).toHaveLength(1);

    const written = await runForAWhile(vm);
    const disks = await migration.acquire(testIo());
    expect(await startsOf(disks)).toEqual([written, written]);
    await migration.release(testIo());
  });

  it.each(['refuse', 'stop'] as const)(
    'are kept to though the VM runs again when the worker comes back (whenRunning: %s)',
    async (whenRunning) => {
      const { vm, sha256 } = await addShop(azure);
      const migration = migrationOf(azure, vm.name, { whenRunning });
      await expect(migration.acquire(stoppedInTheCopy())).rejects.toThrow('stopped');
      const taken = uniqueIdsOf(migration.run);
      vm.powerState = 'running';
      await runForAWhile(vm);

      expect(await hashesOf(await migration.acquire(testIo()))).toEqual(sha256);
      expect(vm.powerState).toBe('running');
      expect(uniqueIdsOf(migration.run)).toEqual(taken);
      await migration.release(testIo(), true);
    },
  );

  it('are all taken anew, and what was fetched of them does not count, when one was replaced', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    await expect(migration.acquire(stoppedInTheCopy())).rejects.toThrow('stopped');
    const [first] = snapshotsOf(migration.run);
    if (!first) throw new Error('there is no snapshot');
    const { snapshots } = computeClient(azure);
    await snapshots.revokeAccess('shop', first.name);
    await snapshots.delete('shop', first.name);
    const written = await runForAWhile(vm);
    await snapshots.createOrUpdate('shop', first.name, {
      ...{ location: vm.location, tags: first.tags, incremental: true },
      creationData: { createOption: 'Copy', sourceResourceId: first.sourceId },
    });
    const before = uniqueIdsOf(migration.run);

    const disks = await migration.acquire(testIo());
    expect(await startsOf(disks)).toEqual([written, written]);
    expect(uniqueIdsOf(migration.run).filter((id) => before.includes(id))).toEqual([]);
    await migration.release(testIo());
  });

  it('leave no stray behind when one is refused while another waits to be asked for again', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const put = { service: 'arm', method: 'PUT' } as const;
    azure.faults.add({
      ...{ ...put, path: /-disk1$/ },
      effect: { kind: 'status', status: 429, retryAfterSeconds: 4 },
    });
    azure.faults.add({ ...put, path: /-disk0$/, effect: { kind: 'status', status: 400, code: 'Never' } });
    await expect(migration.acquire(testIo())).rejects.toThrow('Never');
    await migration.release(testIo());
    expect(snapshotsOf(migration.run)).toEqual([]);
    await sleep(5_000);
    expect(snapshotsOf(migration.run)).toEqual([]);
  });
});

it('a disk of which others read five snapshots says so, and comes when one is done', async () => {
  const { vm, sha256 } = await addShop(azure);
  const migration = migrationOf(azure, vm.name);
  const { snapshots } = computeClient(azure);
  const names = [0, 1, 2, 3, 4].map((index) => `${vm.name}-other${index}`);
  for (const name of names) {
    await snapshots.createOrUpdate('shop', name, {
      ...{ location: vm.location, incremental: true },
      creationData: { createOption: 'Copy', sourceResourceId: vm.osDisk.id },
    });
    await snapshots.grantAccess('shop', name, { access: 'Read', durationInSeconds: 600 });
  }
  await expect(migration.acquire(testIo())).rejects.toMatchObject({
    code: 'AZURE_ACCESS_LIMIT',
    retryable: true,
    remedy: expect.stringContaining('revoke-access') as string,
  });
  await snapshots.revokeAccess('shop', names[0] ?? '');
  expect(await hashesOf(await migration.acquire(testIo()))).toEqual(sha256);
  await migration.release(testIo());
});

describe('a VM on its way', () => {
  it.each(['stopping', 'deallocating'] as const)(
    'down (%s) is waited for, and was not stopped by the migration',
    async (state) => {
      const { vm } = await addShop(azure);
      vm.powerState = state;
      setTimeout(() => {
        vm.powerState = 'deallocated';
      }, 2_000);
      const migration = migrationOf(azure, vm.name, { whenRunning: 'stop' });
      await migration.acquire(testIo());
      await migration.release(testIo(), true);
      expect(vm.powerState).toBe('deallocated');
    },
  );

  it('up is waited for, stopped, and started again', async () => {
    const { vm } = await addShop(azure);
    vm.powerState = 'starting';
    setTimeout(() => {
      vm.powerState = 'running';
    }, 2_000);
    const migration = migrationOf(azure, vm.name, { whenRunning: 'stop' });
    await migration.acquire(testIo());
    expect(vm.powerState).toBe('stopped');
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('running');
  });
});

describe('snapshots that Azure fills in the background', () => {
  async function slowShop() {
    const shop = await addShop(azure);
    shop.vm.osDisk.sku = 'PremiumV2_LRS';
    for (const { disk } of shop.vm.dataDisks) disk.sku = 'UltraSSD_LRS';
    azure.settings.backgroundCopyMs = 3_000;
    return { ...shop, migration: migrationOf(azure, shop.vm.name) };
  }

  it('are waited for, and how far they are is told', async () => {
    const { sha256, migration } = await slowShop();
    const said: string[] = [];
    const disks = await migration.acquire({ ...testIo(), report: (doing) => said.push(doing) });
    expect(await hashesOf(disks)).toEqual(sha256);
    expect(said.join('\n')).toMatch(/waiting for the snapshot \S+-disk0: \d+ %/);
    await migration.release(testIo());
  });

  it('are taken anew after their copy broke off', async () => {
    const { sha256, migration } = await slowShop();
    let failed: string[] = [];
    const report = (doing: string) => {
      if (!doing.startsWith('waiting for the snapshot')) return;
      failed = uniqueIdsOf(migration.run);
      for (const snapshot of snapshotsOf(migration.run))
        snapshot.copyError = { errorCode: 'CopySourceNotFound', errorMessage: 'The source is gone.' };
    };
    await expect(migration.acquire({ ...testIo(), report })).rejects.toMatchObject({
      code: 'AZURE_FAILED',
      retryable: true,
      found: expect.stringContaining('The source is gone.') as string,
    });
    expect(failed).toHaveLength(2);
    expect(await hashesOf(await migration.acquire(testIo()))).toEqual(sha256);
    expect(uniqueIdsOf(migration.run).filter((id) => failed.includes(id))).toEqual([]);
    await migration.release(testIo());
  });

  it('are taken anew after they were cancelled', async () => {
    const { sha256, migration } = await slowShop();
    await expect(migration.acquire(stoppedAt(/waiting for the snapshot/))).rejects.toThrow('stopped');
    for (const snapshot of snapshotsOf(migration.run)) snapshot.provisioningState = 'Canceled';
    expect(await hashesOf(await migration.acquire(testIo()))).toEqual(sha256);
    await migration.release(testIo());
  });
});
