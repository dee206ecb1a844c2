import {
  ClientCertificateCredential,
  EnvironmentCredential,
  ManagedIdentityCredential,
} from '@azure/identity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';
import type { VmInput } from '../../simulators/azure/vm-input.ts';
import { all, authority, computeClient, login, networkClient, onTheWire } from './clients.ts';

const MiB = 1024 * 1024;
const scope = 'https://management.azure.com/.default';

let azure: Azure;
beforeAll(async () => {
  azure = await startAzure({ retryAfterSeconds: 0, tenant: '11111111-2222-3333-4444-555555555555' });
});
afterAll(() => azure.close());
afterEach(() => {
  azure.faults.clear();
  azure.settings.deniedActions = [];
  vi.unstubAllEnvs();
});

describe('logging in', () => {
  it('works with a secret', async () => {
    const { token, expiresOnTimestamp } = await login(azure).getToken(scope);
    expect(token.split('.')).toHaveLength(3);
    expect(expiresOnTimestamp).toBeGreaterThan(Date.now() + 3000_000);
  });

  it('works with a certificate', async () => {
    const certificate = { certificatePath: azure.clientCertificatePath };
    const credential = new ClientCertificateCredential(
      azure.tenant,
      azure.clientId,
      certificate,
      authority(azure),
    );
    expect((await credential.getToken(scope)).token).toBeTruthy();
  });

  it('works by the environment', async () => {
    vi.stubEnv('AZURE_TENANT_ID', azure.tenant);
    vi.stubEnv('AZURE_CLIENT_ID', azure.clientId);
    vi.stubEnv('AZURE_CLIENT_SECRET', azure.clientSecret);
    expect((await new EnvironmentCredential(authority(azure)).getToken(scope)).token).toBeTruthy();
  });

  it('works with the identity of a VM, and of App Service', async () => {
    vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', azure.metadataHost);
    const credential = new ManagedIdentityCredential();
    expect(await all(computeClient(azure, credential).virtualMachines.listAll())).toEqual([]);
    vi.unstubAllEnvs();
    vi.stubEnv('IDENTITY_ENDPOINT', `${azure.metadataHost}/msi/token`);
    vi.stubEnv('IDENTITY_HEADER', azure.identityHeader);
    expect((await new ManagedIdentityCredential().getToken(scope)).token).toBeTruthy();
  });

  it('is refused in the words of Entra ID', async () => {
    await expect(login(azure, 'wrong').getToken(scope)).rejects.toThrow(
      /AADSTS7000215: Invalid client secret provided.*Trace ID/,
    );
  });

  it('lasts as long as the token', async () => {
    const compute = computeClient(azure);
    await all(compute.virtualMachines.listAll());
    azure.expireTokens();
    await expect(all(compute.virtualMachines.listAll())).rejects.toMatchObject({
      statusCode: 401,
      code: 'ExpiredAuthenticationToken',
    });
  });
});

const small = (name: string, more: Partial<VmInput> = {}): VmInput => ({
  ...{ name, resourceGroup: 'Control', disks: [{ sizeBytes: MiB }, { lun: 0, sizeBytes: MiB }], ...more },
});

describe('listings', () => {
  beforeAll(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await azure.addVm(
        small(name, { resourceGroup: 'Lists', tags: { owner: name }, powerState: 'stopped' }),
      );
  });

  it('come in pages that the clients follow, whatever the case of a group', async () => {
    azure.settings.pageSize = 2;
    azure.requests.clear();
    const vms = await all(computeClient(azure).virtualMachines.list('LISTS'));
    expect(vms.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(azure.requests.of('arm', 'GET', /virtualMachines$/i)).toHaveLength(3);
    expect(await all(computeClient(azure).disks.list())).toHaveLength(10);
    const [nic] = await all(networkClient(azure).networkInterfaces.listAll());
    expect(nic).toMatchObject({
      virtualMachine: { id: vms[0]?.id },
      macAddress: expect.stringMatching(/^00-0D-3A-/) as string,
    });
    azure.settings.pageSize = 200;
  });

  it('have either the state of VMs or all else of them', async () => {
    const { virtualMachines } = computeClient(azure);
    const [plain] = await all(virtualMachines.listAll());
    const [status] = await all(virtualMachines.listAll({ statusOnly: 'true' }));
    expect(plain).toMatchObject({ tags: { owner: 'a' }, hardwareProfile: { vmSize: 'Standard_D2s_v3' } });
    expect(plain?.instanceView).toBeUndefined();
    expect(status?.tags).toBeUndefined();
    expect(status?.instanceView?.statuses?.map(({ code }) => code)).toContain('PowerState/stopped');
    expect(status?.id).toContain('/resourceGroups/LISTS/');
    expect(status?.id?.toLowerCase()).toBe(plain?.id?.toLowerCase());
    await expect(all(virtualMachines.listAll({ expand: 'instanceView' }))).rejects.toMatchObject({
      statusCode: 400,
    });
  });

  it('tell what sizes have', async () => {
    const skus = await all(computeClient(azure).resourceSkus.list({ filter: "location eq 'westeurope'" }));
    const sku = skus.find(({ name }) => name === 'Standard_D4s_v5');
    expect(sku?.capabilities).toEqual(
      expect.arrayContaining([
        { name: 'vCPUs', value: '4' },
        { name: 'MemoryGB', value: '16' },
        { name: 'HyperVGenerations', value: 'V1,V2' },
      ]),
    );
    const sizes = await all(computeClient(azure).virtualMachineSizes.list('westeurope'));
    expect(sizes.find(({ name }) => name === 'Standard_B1ls')?.memoryInMB).toBe(512);
  });
});

describe('what is not there', () => {
  it('is named', async () => {
    const { virtualMachines } = computeClient(azure);
    await expect(virtualMachines.get('Lists', 'none')).rejects.toMatchObject({ code: 'ResourceNotFound' });
    await expect(virtualMachines.get('nowhere', 'a')).rejects.toMatchObject({
      code: 'ResourceGroupNotFound',
    });
    expect(await onTheWire(azure, 'GET', '/resourcegroups')).toMatchObject({
      status: 400,
      json: { error: { code: 'MissingApiVersionParameter' } },
      headers: {
        'x-ms-request-id': expect.any(String) as string,
        'x-ms-correlation-request-id': expect.any(String) as string,
      },
    });
  });
});

describe('a long-running operation', () => {
  beforeEach(async () => {
    await azure.addVm(small('run'));
    azure.settings.operationMs = 2_000;
  });
  afterEach(() => {
    azure.settings.operationMs = 0;
  });
  const fast = { updateIntervalInMs: 20 };

  it('goes on for its time, and shows how far it is', async () => {
    const { virtualMachines } = computeClient(azure);
    const stopping = virtualMachines.deallocate('control', 'run', fast);
    await stopping.submitted();
    const state = async () => (await virtualMachines.instanceView('control', 'run')).statuses?.at(-1)?.code;
    expect(await state()).toBe('PowerState/deallocating');
    await stopping;
    expect(await state()).toBe('PowerState/deallocated');
    const { osDisk } = (await virtualMachines.get('control', 'run')).storageProfile ?? {};
    expect(osDisk?.managedDisk?.storageAccountType).toBeUndefined();
  });

  it('can fail after it was accepted', async () => {
    azure.failNextOperation(/deallocate/, {
      code: 'InternalExecutionError',
      message: 'An internal error occurred.',
    });
    const stopping = computeClient(azure).virtualMachines.deallocate('control', 'run', fast);
    await stopping.submitted();
    await expect(stopping.pollUntilDone()).rejects.toThrow(/InternalExecutionError/);
  });

  it('has the headers of the service', async () => {
    const vm = '/resourceGroups/control/providers/Microsoft.Compute/virtualMachines/run';
    const { status, headers } = await onTheWire(azure, 'POST', `${vm}/start?api-version=2024-07-01`);
    expect(status).toBe(202);
    expect(headers['azure-asyncoperation']).toMatch(
      /\/locations\/westeurope\/operations\/.*api-version=2024-07-01$/,
    );
    expect(headers['location']).toContain('monitor=true');
  });
});
