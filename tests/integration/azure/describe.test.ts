import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeVm } from '../../../activities/sources/azure/describe.ts';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';
import type { VmInput } from '../../simulators/azure/vm-input.ts';
import { azureDeps, azureSpec, trust } from '../../support/azure.ts';
import { testIo } from '../../support/io.ts';
import { testRun } from '../../support/sources.ts';

const GiB = 2 ** 30;

let azure: Azure;
beforeAll(async () => {
  azure = await startAzure({ retryAfterSeconds: 0 });
  trust(azure);
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
    expect(remoteDisks).toEqual([
      { index: 0, name: 'system', virtualSizeBytes: 30 * GiB },
      { index: 1, name: 'data', virtualSizeBytes: 2 * GiB },
      { index: 2, name: 'logs', virtualSizeBytes: 3 * GiB },
    ]);
    expect(findings).toEqual([]);
  });
});
