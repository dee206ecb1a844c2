import { connectAzure, type AzureConnection } from '../../../activities/sources/azure/connect.ts';
import { listAzureVms } from '../../../activities/sources/azure/inventory.ts';
import type { Say } from '../../guests/lib/run.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps, azureSpec } from '../../support/azure.ts';
import { startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { rounded, type Figure } from '../figure.ts';
import { median, ratio } from '../rounds.ts';

const gibibyte = 2 ** 30;
const rounds = 5;
/** Lists of VMs were seen to have so many on a page. */
const pageSize = 200;

/** What an inventory of Azure costs: requests, and time. The simulator runs in the same process. */
export async function inventoryFigures(say: Say): Promise<Figure[]> {
  return [...(await thousandVms(say)), await againstCallsPerVm(say)];
}

async function thousandVms(say: Say): Promise<Figure[]> {
  const azure = await startTrustedAzure({ pageSize });
  try {
    await addVms(azure, 1_000);
    const seconds: number[] = [];
    const requests: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      azure.requests.clear();
      const took = await secondsOf(() => inventory(azure));
      // The first loads the SDK.
      if (round === 0) continue;
      seconds.push(took);
      requests.push(azure.requests.of('arm').length);
    }
    say(`inventory of 1,000 VMs: ${median(seconds).toFixed(2)} s, ${median(requests)} requests`);
    // VMs, their states, three times as many disks, as many cards, and the sizes of one location.
    const pages = (1_000 / pageSize) * (1 + 1 + 3 + 1) + 1;
    return [
      {
        name: 'inventory of 1,000 VMs with 3,000 disks, time',
        measured: `the simulator, ${pageSize} to a page, median; the SDK was loaded before`,
        value: median(seconds),
        unit: 's',
        bound: 2,
        readings: { seconds: rounded(seconds) },
      },
      {
        name: 'inventory of 1,000 VMs with 3,000 disks, requests',
        measured: `the ${pages} pages of its listings`,
        value: Math.max(...requests) / pages,
        unit: '×',
        bound: 1,
        readings: { requests },
      },
    ];
  } finally {
    await azure.close();
  }
}

async function againstCallsPerVm(say: Say): Promise<Figure> {
  const azure = await startTrustedAzure({ pageSize });
  try {
    await addVms(azure, 100);
    await inventory(azure);
    const connection = await connectAzure(azureSpec(azure, { vm: 'any' }), azureDeps(azure), testIo());
    await callsPerVm(azure, connection);
    azure.settings.latencyMs = 50;
    const listings: number[] = [];
    const calls: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      listings.push(await secondsOf(() => inventory(azure)));
      calls.push(await secondsOf(() => callsPerVm(azure, connection)));
    }
    say(`inventory of 100 VMs: ${median(listings).toFixed(2)} s, by calls ${median(calls).toFixed(2)} s`);
    return {
      name: 'inventory of 100 VMs with 300 disks',
      measured:
        'a list of VMs and a call for the state of each, 50 ms to an answer, login not counted for the calls',
      value: ratio(listings, calls),
      unit: '×',
      bound: 0.5,
      readings: { listings: rounded(listings), calls: rounded(calls) },
    };
  } finally {
    await azure.close();
  }
}

async function addVms(azure: Azure, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await azure.addVm({
      name: `vm${String(index).padStart(4, '0')}`,
      resourceGroup: `group${index % 10}`,
      disks: [{ sizeBytes: 30 * gibibyte }, ...[0, 1].map((lun) => ({ lun, sizeBytes: 10 * gibibyte }))],
    });
  }
}

async function inventory(azure: Azure): Promise<void> {
  const { login } = azureSpec(azure, { vm: 'any' });
  const request = {
    cloud: 'public' as const,
    login,
    subscription: azure.subscription,
    resourceGroups: [],
    all: true,
  };
  const { vms, gaps } = await listAzureVms(request, azureDeps(azure), testIo());
  const whole = vms.every(
    ({ cpus, disks, nics }) => cpus !== undefined && disks.length === 3 && nics.length === 1,
  );
  if (!whole || gaps.length > 0) throw new Error('the inventory is not whole');
}

/** As tools do it that ask for each VM: with fewer facts than the inventory, disks and cards are left out. */
async function callsPerVm(azure: Azure, connection: AzureConnection): Promise<void> {
  const { virtualMachines } = await connection.compute(azure.subscription);
  await connection.ask('list and look at each', async () => {
    for await (const { id = '', name = '' } of virtualMachines.listAll())
      await virtualMachines.instanceView(id.split('/')[4] ?? '', name);
  });
}

async function secondsOf(body: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await body();
  return (performance.now() - started) / 1000;
}
