import type { ComputeManagementClient } from '@azure/arm-compute';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Vm } from '../../simulators/azure/arm/model.ts';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';
import { all, computeClient, login, onTheWire, trust } from './clients.ts';

const MiB = 1024 * 1024;
const resourceGroup = 'Refusals';
const location = 'westeurope';
const snapshotsPath = /\/snapshots\//;

let azure: Azure;
let compute: ComputeManagementClient;
let vm: Vm;
beforeAll(async () => {
  azure = await startAzure({ retryAfterSeconds: 0 });
  compute = computeClient(azure);
  vm = await azure.addVm({
    ...{ name: 'web01', resourceGroup },
    disks: [{ sizeBytes: MiB }, { lun: 0, sizeBytes: MiB, sku: 'PremiumV2_LRS' }],
  });
}, 60_000);
afterAll(() => azure.close());
afterEach(() => {
  azure.faults.clear();
  azure.settings.deniedActions = [];
});

const create = (name: string, sourceResourceId = vm.osDisk.id, tags: Record<string, string> = {}) =>
  compute.snapshots.createOrUpdate(resourceGroup, name, {
    ...{ location, incremental: true, tags },
    creationData: { createOption: 'Copy', sourceResourceId },
  });
const read = { access: 'Read', durationInSeconds: 300 };

describe('a snapshot', () => {
  it('with a SAS is not deleted, and is when that was revoked', async () => {
    await create('exported');
    await compute.snapshots.grantAccess(resourceGroup, 'exported', read);
    await expect(compute.snapshots.delete(resourceGroup, 'exported')).rejects.toMatchObject({
      statusCode: 409,
      code: 'OperationNotAllowed',
      message: expect.stringContaining('active shared access signature') as string,
    });
    await compute.snapshots.revokeAccess(resourceGroup, 'exported');
    await compute.snapshots.delete(resourceGroup, 'exported');
    await expect(compute.snapshots.get(resourceGroup, 'exported')).rejects.toMatchObject({ statusCode: 404 });
    await compute.snapshots.delete(resourceGroup, 'exported');
  });

  it('can be asked for again, but not of another disk', async () => {
    await create('again');
    const { tags, uniqueId } = await create('again', vm.osDisk.id, { migration: 'm1' });
    expect(tags).toEqual({ migration: 'm1' });
    expect(uniqueId).toBe((await compute.snapshots.get(resourceGroup, 'AGAIN')).uniqueId);
    const other = vm.dataDisks[0]?.disk.id ?? '';
    await expect(create('again', other)).rejects.toMatchObject({
      statusCode: 409,
      code: 'PropertyChangeNotAllowed',
    });
    await expect(create('n'.repeat(81))).rejects.toMatchObject({ statusCode: 400, code: 'InvalidParameter' });
    await expect(create('lost', `${vm.osDisk.id}x`)).rejects.toMatchObject({ code: 'ResourceNotFound' });
  });

  it('is found by its tags', async () => {
    await create('tagged', vm.osDisk.id, { a: '1' });
    await compute.snapshots.update(resourceGroup, 'tagged', { tags: { a: '2', b: '3' } });
    const found = (await all(compute.snapshots.list())).filter(({ tags }) => tags?.['b'] === '3');
    expect(found.map(({ name }) => name)).toEqual(['tagged']);
    expect(await all(compute.snapshots.listByResourceGroup('REFUSALS'))).not.toHaveLength(0);
  });

  it('has a SAS besides four others of its disk, and not five', async () => {
    const names = ['1', '2', '3', '4', '5', '6'].map((name) => `family-${name}`);
    for (const name of names) await create(name);
    for (const name of names.slice(0, 5)) await compute.snapshots.grantAccess(resourceGroup, name, read);
    const sixth = () => compute.snapshots.grantAccess(resourceGroup, 'family-6', read);
    await expect(sixth()).rejects.toMatchObject({ statusCode: 409 });
    // One more for a snapshot that has one is no more of them.
    await compute.snapshots.grantAccess(resourceGroup, 'family-5', read);
    await compute.snapshots.revokeAccess(resourceGroup, 'family-1');
    await sixth();
    for (const name of names) await compute.snapshots.revokeAccess(resourceGroup, name);
  });

  it('of a Premium SSD v2 disk is exported when its background copy has ended', async () => {
    azure.settings.backgroundCopyMs = 3_000;
    await create('copied', vm.dataDisks[0]?.disk.id);
    const percent = async () => (await compute.snapshots.get(resourceGroup, 'copied')).completionPercent;
    expect(await percent()).toBeLessThan(100);
    await expect(compute.snapshots.grantAccess(resourceGroup, 'copied', read)).rejects.toMatchObject({
      statusCode: 409,
    });
    await expect.poll(percent).toBe(100);
    await compute.snapshots.grantAccess(resourceGroup, 'copied', read);
    await compute.snapshots.revokeAccess(resourceGroup, 'copied');
  });
});

describe('a denied action', () => {
  it('is refused by name, and shows in the permissions', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/snapshots/write'];
    await expect(create('denied')).rejects.toMatchObject({
      statusCode: 403,
      code: 'AuthorizationFailed',
      message: expect.stringMatching(
        /'Microsoft.Compute\/snapshots\/write' over scope '.*\/snapshots\/denied'/,
      ) as string,
    });
    const permissions = `/resourceGroups/${resourceGroup}/providers/Microsoft.Authorization/permissions`;
    const { json } = await onTheWire(azure, 'GET', `${permissions}?api-version=2022-04-01`);
    expect(json).toMatchObject({
      value: [{ actions: ['*'], notActions: ['Microsoft.Compute/snapshots/write'] }],
    });
  });

  it('counts on the disk that a snapshot is made of', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/disks/beginGetAccess/*'];
    await expect(create('denied')).rejects.toMatchObject({ code: 'LinkedAuthorizationFailed' });
  });
});

describe('a fault', () => {
  it('of throttling passes when it was waited for', async () => {
    azure.requests.clear();
    azure.faults.add({
      ...{ service: 'arm', method: 'PUT', path: snapshotsPath, times: 2 },
      effect: { kind: 'status', status: 429, retryAfterSeconds: 0 },
    });
    await create('throttled');
    expect(azure.requests.of('arm', 'PUT', snapshotsPath).map(({ status }) => status)).toEqual([
      429, 429, 202,
    ]);
  });

  it('shows when nobody waits', async () => {
    azure.faults.add({ effect: { kind: 'status', status: 429, retryAfterSeconds: 7 }, service: 'arm' });
    const { status, headers, json } = await onTheWire(azure, 'GET', '/resourcegroups?api-version=2022-09-01');
    expect(status).toBe(429);
    expect(headers['retry-after']).toBe('7');
    expect(json).toMatchObject({
      error: { code: 'OperationNotAllowed', details: [{ code: 'TooManyRequests' }] },
    });
  });

  it('can lose the answer to a request that took effect', async () => {
    azure.faults.add({ service: 'arm', method: 'PUT', path: snapshotsPath, effect: { kind: 'drop-after' } });
    const impatient = computeClient(azure, login(azure), { retryOptions: { maxRetries: 0 } });
    await expect(
      impatient.snapshots.createOrUpdate(resourceGroup, 'orphan', {
        ...{ location, creationData: { createOption: 'Copy', sourceResourceId: vm.osDisk.id } },
      }),
    ).rejects.toThrow();
    expect((await compute.snapshots.get(resourceGroup, 'orphan')).provisioningState).toBe('Succeeded');
  });

  it('can leave a request without an answer', async () => {
    azure.faults.add({ service: 'arm', effect: { kind: 'hang' } });
    const abortSignal = AbortSignal.timeout(300);
    await expect(compute.snapshots.get(resourceGroup, 'orphan', { abortSignal })).rejects.toThrow(/abort/i);
  });

  it('can meet a blob', async () => {
    await create('busy');
    const { accessSAS = '' } = await compute.snapshots.grantAccess(resourceGroup, 'busy', read);
    azure.faults.add({ service: 'blob', effect: { kind: 'status', status: 503, retryAfterSeconds: 1 } });
    const get = () => fetchTrusting(accessSAS);
    expect(await get()).toBe(503);
    expect(await get()).toBe(206);
    await compute.snapshots.revokeAccess(resourceGroup, 'busy');
  });
});

async function fetchTrusting(url: string): Promise<number> {
  const dispatcher = new Agent({ connect: trust(azure).tlsOptions });
  const { statusCode, body } = await request(url, { dispatcher, headers: { range: 'bytes=0-511' } });
  await body.dump();
  await dispatcher.close();
  return statusCode;
}
