import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectAzure } from '../../../activities/sources/azure/connect.ts';
import { describeVm } from '../../../activities/sources/azure/describe.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import type { VmInput } from '../../simulators/azure/vm-input.ts';
import { azureDeps, azureSpec } from '../../support/azure.ts';
import { startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { testRun } from '../../support/sources.ts';

const GiB = 2 ** 30;

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure({ retryAfterSeconds: 0 });
});
afterAll(() => azure.close());
beforeEach(() => {
  azure.settings.deniedActions = [];
});

let count = 0;
/** A VM of its own for each test, stopped unless told. */
async function vm(input: Partial<VmInput> = {}): Promise<string> {
  count += 1;
  const name = `vm${count}`;
  await azure.addVm({
    name,
    resourceGroup: 'Prod',
    powerState: 'deallocated',
    disks: [{ sizeBytes: 4 * GiB }],
    ...input,
  });
  return name;
}

const look = (name: string, source: Readonly<Record<string, unknown>> = {}) =>
  describeVm(
    { name: 'web01', source: azureSpec(azure, { vm: name, ...source }), run: testRun },
    azureDeps(azure),
    testIo(),
  );

const codes = async (name: string, source: Readonly<Record<string, unknown>> = {}) =>
  ((await look(name, source)).findings ?? []).map(({ severity, code }) => `${severity} ${code}`);

describe('a VM of Azure', () => {
  it('is described with all that a domain needs', async () => {
    const name = await vm({
      size: 'Standard_D4s_v5',
      generation: 'V2',
      nics: [
        { mac: '00-0D-3A-1B-C7-21', privateIps: ['10.1.0.4', '10.1.0.5'], subnet: 'front' },
        { mac: '00-0D-3A-1B-C7-22', privateIps: ['10.2.0.4'], subnet: 'back' },
      ],
      disks: [
        { lun: 5, sizeBytes: 3 * GiB, name: 'logs' },
        { lun: 0, sizeBytes: 2 * GiB, name: 'data' },
        { sizeBytes: 30 * GiB, name: 'system' },
      ],
    });
    const { vm: described, disks, remoteDisks, findings } = await look(name.toUpperCase());
    expect(described).toEqual({
      name: 'web01',
      cpus: 4,
      memoryMiB: 16_384,
      firmware: 'uefi',
      running: false,
      nics: [
        { mac: '00:0d:3a:1b:c7:21', network: 'Prod-vnet/front', addresses: ['10.1.0.4', '10.1.0.5'] },
        { mac: '00:0d:3a:1b:c7:22', network: 'Prod-vnet/back', addresses: ['10.2.0.4'] },
      ],
    });
    expect(disks).toEqual([]);
    const idOf = (disk: string) => azure.world.disks.list().find((each) => each.name === disk)?.id;
    expect(remoteDisks).toEqual([
      { index: 0, name: 'system', id: idOf('system'), virtualSizeBytes: 30 * GiB },
      { index: 1, name: 'data', id: idOf('data'), virtualSizeBytes: 2 * GiB },
      { index: 2, name: 'logs', id: idOf('logs'), virtualSizeBytes: 3 * GiB },
    ]);
    expect(findings).toEqual([]);
  });

  it('of generation 1 boots with a BIOS', async () => {
    expect((await look(await vm({ generation: 'V1' }))).vm.firmware).toBe('bios');
  });

  it('whose card has no MAC address yet gets one that stays the same', async () => {
    const name = await vm({ nics: [{ name: 'fresh' }] });
    const nic = azure.world.nics.list().find((one) => one.name === 'fresh');
    if (nic) nic.mac = undefined;
    const { vm: described, findings } = await look(name);
    expect(described.nics[0]?.mac).toBe((await look(name)).vm.nics[0]?.mac);
    expect(findings).toMatchObject([{ severity: 'warning', code: 'mac-unknown' }]);
  });

  it('that does not exist is an error that names it', async () => {
    await expect(look('nobody')).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      found: expect.stringContaining("'Microsoft.Compute/virtualMachines/nobody'") as string,
    });
  });
});

describe('a VM that runs', () => {
  it.each([
    ['refuse', 'blocker SOURCE_RUNNING'],
    ['snapshot', 'warning crash-consistent'],
    ['stop', 'info will-be-stopped'],
  ])('is treated as the spec says: %s', async (whenRunning, finding) => {
    const name = await vm({ powerState: 'running' });
    expect(await codes(name, { whenRunning })).toEqual([finding]);
    expect((await look(name)).vm.running).toBe(true);
  });

  const system = { sizeBytes: 4 * GiB };
  const dataDisks = [0, 1].map((lun) => ({ lun, sizeBytes: GiB }));
  it.each<[string, Partial<VmInput>, RegExp]>([
    ['Ultra disks', { disks: [system, { lun: 0, sizeBytes: GiB, sku: 'UltraSSD_LRS' }] }, /UltraSSD_LRS/],
    ['Premium v2 disks', { disks: [system, { lun: 0, sizeBytes: GiB, sku: 'PremiumV2_LRS' }] }, /PremiumV2/],
    ['disks that may be shared', { disks: [system, { lun: 0, sizeBytes: GiB, maxShares: 2 }] }, /shared/],
    ['sizes without Premium storage', { size: 'Standard_D2_v3' }, /the size Standard_D2_v3/],
    [
      'confidential VMs',
      { size: 'Standard_DC2as_v5', securityProfile: { securityType: 'ConfidentialVM' } },
      /confidential/,
    ],
  ])(
    'is not taken as of one moment with what Azure has no restore points of: %s',
    async (_what, input, found) => {
      const name = await vm({ powerState: 'running', ...input });
      const blockersOf = async (whenRunning: string) =>
        ((await look(name, { whenRunning })).findings ?? []).filter(({ severity }) => severity === 'blocker');
      expect(await blockersOf('snapshot')).toMatchObject([
        { code: 'AZURE_VM_UNSUPPORTED', remedy: 'Set source.whenRunning to stop.' },
      ]);
      expect((await blockersOf('snapshot'))[0]?.found).toMatch(found);
      expect(await blockersOf('stop')).toEqual([]);

      const connection = await connectAzure(azureSpec(azure, { vm: name }), azureDeps(azure), testIo());
      const { restorePoints, restorePointCollections } = await connection.compute(azure.subscription);
      const id = azure.world.vms.list().find((one) => one.name === name)?.id;
      await restorePointCollections.createOrUpdate('Prod', name, { location: 'westeurope', source: { id } });
      await expect(
        connection.ask('take it', () =>
          restorePoints.create('Prod', name, 'one', { consistencyMode: 'CrashConsistent' }).pollUntilDone(),
        ),
      ).rejects.toMatchObject({ details: { azureCode: 'VMRestorePointClientError' } });
    },
  );

  it.each([
    ['Standard_D4s_v6', ['warning crash-consistent', 'warning disks-inconsistent']],
    ['Standard_D4as_v6', ['warning crash-consistent']],
    ['Standard_D4s_v5', ['warning crash-consistent']],
  ])('of the size %s is warned of disks that may not be of one moment', async (size, findings) => {
    const name = await vm({ powerState: 'running', size, disks: [system, ...dataDisks] });
    expect(await codes(name, { whenRunning: 'snapshot' })).toEqual(findings);
  });

  it('is no matter when it was stopped in the guest', async () => {
    expect(await codes(await vm({ powerState: 'stopped' }))).toEqual([]);
  });
});

describe('what Azure does not hand over blocks the migration', () => {
  const system = { sizeBytes: 4 * GiB };
  it.each<[string, Partial<VmInput>, RegExp]>([
    [
      'a confidential VM with sealed disks',
      {
        size: 'Standard_DC2as_v5',
        securityProfile: { securityType: 'ConfidentialVM' },
        disks: [
          { ...system, securityProfile: { securityType: 'ConfidentialVM_DiskEncryptedWithPlatformKey' } },
        ],
      },
      /of a confidential VM is encrypted/,
    ],
    ['an ephemeral OS disk', { ephemeral: 'CacheDisk' }, /is ephemeral/],
    [
      'sectors of 4096 bytes',
      { disks: [system, { lun: 0, sizeBytes: GiB, logicalSectorBytes: 4096, sku: 'PremiumV2_LRS' }] },
      /4096 bytes/,
    ],
    [
      'a disk that other VMs have too',
      { disks: [system, { lun: 0, sizeBytes: GiB, maxShares: 2, sharedWith: ['other'] }] },
      /shared with 1 other VM$/,
    ],
    [
      'Azure Disk Encryption of the system',
      { disks: [{ ...system, encryptionSettings: { enabled: true, encryptionSettings: [] } }] },
      /OS disk .* Azure Disk Encryption/,
    ],
    [
      'Azure Disk Encryption of Windows',
      {
        osType: 'Windows',
        disks: [system, { lun: 0, sizeBytes: GiB, encryptionSettings: { enabled: true } }],
      },
      /disk .* Azure Disk Encryption/,
    ],
    [
      'a disk that may not be exported',
      { disks: [{ ...system, networkAccessPolicy: 'DenyAll' }] },
      /DenyAll/,
    ],
    [
      'a disk behind private endpoints',
      { disks: [{ ...system, networkAccessPolicy: 'AllowPrivate' }] },
      /private endpoints only/,
    ],
    [
      'a disk that is exported to who is logged in only',
      { disks: [{ ...system, dataAccessAuthMode: 'AzureActiveDirectory' }] },
      /logged in only/,
    ],
    ['a processor of another kind', { disks: [{ ...system, architecture: 'Arm64' }] }, /of kind Arm64/],
  ])('%s', async (_what, input, found) => {
    const findings = (await look(await vm(input))).findings ?? [];
    const blockers = findings.filter(({ severity }) => severity === 'blocker');
    expect(blockers).toMatchObject([{ code: 'AZURE_VM_UNSUPPORTED' }]);
    expect(blockers[0]?.found).toMatch(found);
  });
});

describe('what an operator should know is said', () => {
  const system = { sizeBytes: 4 * GiB };
  it.each<[string, Partial<VmInput>, string]>([
    [
      'of a confidential VM whose disk can be read',
      {
        disks: [
          {
            ...system,
            securityProfile: { securityType: 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey' },
          },
        ],
      },
      'warning confidential-vm',
    ],
    [
      'of trusted launch',
      {
        securityProfile: {
          securityType: 'TrustedLaunch',
          uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
        },
      },
      'warning trusted-launch',
    ],
    [
      'of a disk that may be shared',
      { disks: [system, { lun: 0, sizeBytes: GiB, maxShares: 3 }] },
      'warning shared-disk',
    ],
    [
      'of an Ultra disk',
      { disks: [system, { lun: 0, sizeBytes: GiB, sku: 'UltraSSD_LRS' }] },
      'info background-snapshot',
    ],
    [
      'of data under Azure Disk Encryption',
      { disks: [system, { lun: 0, sizeBytes: GiB, encryptionSettings: { enabled: true } }] },
      'warning disk-encryption',
    ],
    ['of a size that Azure does not explain', { size: 'Standard_X99' }, 'warning size-unknown'],
  ])('%s', async (_what, input, finding) => {
    expect(await codes(await vm(input))).toEqual([finding]);
  });
});

describe('an account', () => {
  it('that may not do all hears each action before the migration', async () => {
    azure.settings.deniedActions = [
      'Microsoft.Compute/snapshots/*',
      'Microsoft.Compute/disks/beginGetAccess/action',
    ];
    const { findings } = await look(await vm());
    expect(findings).toMatchObject([{ severity: 'blocker', code: 'AZURE_DENIED' }]);
    expect(findings?.[0]?.found).toBe(
      'in the resource group Prod the account may not do: Microsoft.Compute/disks/beginGetAccess/action, ' +
        'Microsoft.Compute/snapshots/read, Microsoft.Compute/snapshots/write, Microsoft.Compute/snapshots/delete, ' +
        'Microsoft.Compute/snapshots/beginGetAccess/action, Microsoft.Compute/snapshots/endGetAccess/action',
    );
  });

  it('needs rights to stop a VM only when it is to be stopped', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/virtualMachines/powerOff/action'];
    const name = await vm();
    expect(await codes(name)).toEqual([]);
    expect(await codes(name, { whenRunning: 'stop' })).toEqual(['blocker AZURE_DENIED']);
  });

  it('needs the right to use the key of a disk, in the group of the key', async () => {
    azure.world.addGroup('keys', 'westeurope');
    azure.settings.deniedActions = ['Microsoft.Compute/diskEncryptionSets/read'];
    const diskEncryptionSetId = `/subscriptions/${azure.subscription}/resourceGroups/keys/providers/Microsoft.Compute/diskEncryptionSets/ours`;
    const encryption = { type: 'EncryptionAtRestWithCustomerKey', diskEncryptionSetId };
    const { findings } = await look(await vm({ disks: [{ sizeBytes: GiB, encryption }] }));
    expect(findings).toMatchObject([
      {
        code: 'AZURE_DENIED',
        found: 'in the resource group keys the account may not do: Microsoft.Compute/diskEncryptionSets/read',
      },
    ]);
  });

  it('that may not ask for its rights is warned', async () => {
    azure.settings.deniedActions = ['Microsoft.Authorization/permissions/read'];
    expect(await codes(await vm())).toEqual(['warning permissions-unknown']);
  });

  it('that may not read sizes can migrate all the same', async () => {
    azure.settings.deniedActions = ['Microsoft.Compute/skus/read'];
    const { vm: described, findings } = await look(await vm());
    expect(described.cpus).toBeUndefined();
    expect(findings).toMatchObject([{ severity: 'warning', code: 'size-unknown' }]);
  });
});

describe('snapshots that an earlier run left', () => {
  it('are named, those of this run are not', async () => {
    const name = await vm();
    const disk = azure.world.vms.list().find((one) => one.name === name)?.osDisk.id;
    const migration = { 'longhaul-migration': 'migrate-x' };
    await Promise.all([
      makeSnapshot('old', disk, { ...migration, 'longhaul-run': 'another' }),
      makeSnapshot('own', disk, { ...migration, 'longhaul-run': testRun.runId }),
      makeSnapshot('foreign', disk, { owner: 'somebody' }),
    ]);
    const { findings } = await look(name);
    expect(findings).toMatchObject([{ severity: 'warning', code: 'leftover-snapshots' }]);
    expect(findings?.[0]?.found).toMatch(/^1 snapshot .*: old$/);
  });
});

it('snapshots of a disk that others read are counted: Azure gives access to five', async () => {
  const name = await vm();
  const disk = azure.world.vms.list().find((one) => one.name === name)?.osDisk.id;
  const read = async (snapshot: string) => {
    await makeSnapshot(snapshot, disk, {});
    const compute = await (
      await connectAzure(azureSpec(azure, { vm: 'any' }), azureDeps(azure), testIo())
    ).compute(azure.subscription);
    await compute.snapshots.grantAccess('Prod', snapshot, { access: 'Read', durationInSeconds: 600 });
  };
  for (const which of ['a', 'b', 'c', 'd']) await read(`read-${which}`);
  expect(await codes(name)).toEqual([]);
  await read('read-e');
  expect(await codes(name)).toEqual(['blocker AZURE_ACCESS_LIMIT']);
});

it('snapshots of others do not matter, whatever they look like', async () => {
  const name = await vm();
  const disk = azure.world.vms.list().find((one) => one.name === name)?.osDisk.id;
  await makeSnapshot('strange', disk, {});
  for (const snapshot of azure.world.snapshots.list())
    if (snapshot.name === 'strange') snapshot.tags = { long: 'x'.repeat(5_000) };
  expect(await codes(name)).toEqual([]);
});

async function makeSnapshot(name: string, disk: string | undefined, tags: Record<string, string>) {
  const connection = await connectAzure(azureSpec(azure, { vm: 'any' }), azureDeps(azure), testIo());
  const compute = await connection.compute(azure.subscription);
  const snapshot = {
    location: 'westeurope',
    tags,
    incremental: true,
    creationData: { createOption: 'Copy', sourceResourceId: disk },
  };
  await compute.snapshots.createOrUpdate('Prod', name, snapshot, { updateIntervalInMs: 10 }).pollUntilDone();
}
