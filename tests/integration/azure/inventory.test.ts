import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listAzureVms, sendable } from '../../../activities/sources/azure/inventory.ts';
import type { InventoryRequest } from '../../../contracts/azure-inventory.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps, azureSpec } from '../../support/azure.ts';
import { startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';

const GiB = 2 ** 30;
const disks = (count: number) => [
  { sizeBytes: 30 * GiB },
  ...Array.from({ length: count - 1 }, (_, lun) => ({ lun, sizeBytes: 10 * GiB })),
];

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
  await azure.addVm({
    name: 'web01',
    resourceGroup: 'Prod',
    size: 'Standard_D4s_v5',
    zone: '1',
    tags: { Env: 'prod', team: 'web' },
    disks: disks(3),
    nics: [{ mac: '00-0D-3A-00-00-01', privateIps: ['10.0.0.4'] }],
  });
  await azure.addVm({
    name: 'WEB02',
    resourceGroup: 'Prod',
    powerState: 'deallocated',
    generation: 'V1',
    tags: { env: 'test' },
    disks: disks(1),
  });
  await azure.addVm({
    name: 'dc01',
    resourceGroup: 'core',
    osType: 'Windows',
    powerState: 'stopped',
    disks: disks(2),
  });
});
afterAll(() => azure.close());
beforeEach(() => {
  azure.settings.deniedActions = [];
  azure.settings.pageSize = 200;
  azure.requests.clear();
});

const list = (request: Partial<InventoryRequest> = {}) =>
  listAzureVms(
    {
      cloud: 'public',
      login: azureSpec(azure, { vm: 'any' }).login,
      subscription: azure.subscription,
      resourceGroups: [],
      all: true,
      ...request,
    },
    azureDeps(azure),
    testIo(),
  );
const names = async (request: Partial<InventoryRequest> = {}) =>
  (await list(request)).vms.map(({ name }) => name);

describe('an inventory of Azure', () => {
  it('has everything that a domain needs', async () => {
    const { vms, gaps } = await list({ names: ['web01'] });
    expect(gaps).toEqual([]);
    expect(vms).toMatchObject([
      {
        name: 'web01',
        resourceGroup: 'Prod',
        location: 'westeurope',
        zones: ['1'],
        tags: { Env: 'prod', team: 'web' },
        state: 'running',
        os: 'linux',
        firmware: 'uefi',
        size: 'Standard_D4s_v5',
        cpus: 4,
        memoryMiB: 16_384,
        disks: [
          { name: 'web01_OsDisk', sizeBytes: 30 * GiB, sku: 'Premium_LRS' },
          { name: 'web01_DataDisk_0', lun: 0, sizeBytes: 10 * GiB },
          { name: 'web01_DataDisk_1', lun: 1, sizeBytes: 10 * GiB },
        ],
        nics: [{ mac: '00:0d:3a:00:00:01', network: 'Prod-vnet/default', addresses: ['10.0.0.4'] }],
      },
    ]);
  });

  it('costs the pages of its listings and no request more', async () => {
    azure.settings.pageSize = 2;
    expect(await names()).toEqual(['dc01', 'web01', 'WEB02']);
    const pages = azure.requests.of('arm').map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    const count = Object.fromEntries(
      [...new Set(pages)].map((path) => [path, pages.filter((one) => one === path).length]),
    );
    // Three VMs, twice for their states; six disks; three cards; the sizes of one location in one.
    expect(count).toEqual({ virtualMachines: 4, disks: 3, networkInterfaces: 2, skus: 1 });
  });

  it('of a whole subscription has to be asked for', async () => {
    await expect(list({ all: false })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(azure.requests.all).toEqual([]);
  });

  it.each<[string, Partial<InventoryRequest>, string[]]>([
    [
      'resource groups in whatever case',
      { all: false, resourceGroups: ['PROD', 'prod'] },
      ['web01', 'WEB02'],
    ],
    ['patterns of names', { names: ['web*', 'dc??'] }, ['dc01', 'web01', 'WEB02']],
    ['a pattern that has to fit whole', { names: ['eb0'] }, []],
    ['a tag in whatever case', { tags: [{ name: 'ENV' }] }, ['web01', 'WEB02']],
    ['the value of a tag', { tags: [{ name: 'env', value: 'test' }] }, ['WEB02']],
    ['all of several tags', { tags: [{ name: 'env' }, { name: 'team' }] }, ['web01']],
    ['VMs that run', { state: 'running' }, ['web01']],
    ['VMs that do not', { state: 'stopped' }, ['dc01', 'WEB02']],
    ['a system', { os: 'windows' }, ['dc01']],
    ['sizes', { sizes: ['standard_d4*'] }, ['web01']],
    ['zones', { zones: ['1', '2'] }, ['web01']],
  ])('chooses by %s', async (_what, request, expected) => {
    expect(await names(request)).toEqual(expected);
  });

  it('finds disks that lie in another group than their VM', async () => {
    const vm = azure.world.vms.list().find(({ name }) => name === 'dc01');
    const disk = vm?.dataDisks[0]?.disk;
    if (!disk) throw new Error('the disk is gone');
    const { id } = disk;
    azure.world.disks.remove(id);
    azure.world.addGroup('storage', 'westeurope');
    Object.assign(disk, { id: id.replace('/core/', '/storage/'), resourceGroup: 'storage' });
    azure.world.disks.put(disk);
    const { vms } = await list({ all: false, resourceGroups: ['core'] });
    expect(vms[0]?.disks[1]).toMatchObject({
      name: 'dc01_DataDisk_0',
      sizeBytes: 10 * GiB,
      sku: 'Premium_LRS',
    });
  });

  it('leaves out what may not be read, and says so', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/skus/read', 'Microsoft.Network/*'];
    const { vms, gaps } = await list({ names: ['web01'] });
    expect(vms).toMatchObject([
      { name: 'web01', size: 'Standard_D4s_v5', nics: [{ name: 'web01-nic0', addresses: [] }] },
    ]);
    expect(gaps).toEqual([
      'The account may not read the network cards of the subscription (Microsoft.Network/networkInterfaces/read).',
      'The account may not read the sizes of westeurope (Microsoft.Compute/skus/read).',
    ]);
  });

  it('that is too large for an answer is refused by whoever has to send it', async () => {
    const found = await list({});
    expect(sendable(found)).toBe(found);
    const many = {
      ...found,
      vms: Array.from({ length: 5_000 }, () => found.vms[0]).filter((vm) => vm !== undefined),
    };
    expect(() => sendable(many)).toThrow(/5000 VMs has .* more than a host can send/);
  });

  it('of a group that does not exist is an error', async () => {
    await expect(list({ all: false, resourceGroups: ['nowhere'] })).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      found: expect.stringContaining("Resource group 'nowhere' could not be found") as string,
    });
  });
});
