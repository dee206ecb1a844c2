import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { freezeRequest } from '../../../activities/sources/azure/acquire.ts';
import { openSnapshot } from '../../../activities/sources/azure/snapshot-source.ts';
import { type FrozenDisk, snapshotDisks } from '../../../activities/sources/azure/snapshots.ts';
import { fetchDisk } from '../../../activities/transfer/fetched-disk.ts';
import { Room } from '../../../activities/transfer/room.ts';
import { createTransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import type { StepIo } from '../../../activities/host/step-io.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps } from '../../support/azure.ts';
import { addShop, migrationOf, sha256Of, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { type Toxic, Toxiproxy } from '../../support/toxiproxy.ts';

const KiB = 1024;
const chunkBytes = 1024 * KiB;

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
});
afterAll(() => azure.close());

/** A frozen disk whose bytes come by way of a proxy, through a worker's own connections. */
async function behindProxy() {
  const { vm, sha256, dataBytes } = await addShop(azure);
  const { request, work } = migrationOf(azure, vm.name);
  const transfer = createTransferPlane({ connections: 4, stallMs: 1_000 });
  onTestFinished(() => transfer.close());
  const deps = { ...azureDeps(azure), transfer };
  const [frozen] = await snapshotDisks(await freezeRequest(request, work, deps, testIo()));
  if (!frozen) throw new Error('the VM has no disk');
  const direct = await frozen.grant(3600, testIo().signal);
  const proxy = await Toxiproxy.before(Number(direct.port));
  onTestFinished(() => proxy.stop());
  const disk: FrozenDisk = {
    ...frozen,
    grant: async (seconds, signal) => {
      const url = await frozen.grant(seconds, signal);
      url.port = String(proxy.port);
      return url;
    },
  };
  const fetch = async (io: StepIo) => {
    const { path, transfer: how } = await fetchDisk({
      ...{ work, index: 0, name: disk.name, connections: 4, chunkBytes, limits: [], room: new Room(), io },
      open: () => openSnapshot(disk, transfer.dispatcher, io.signal),
    });
    return { sha256: await sha256Of(path), fetchedBytes: how.fetchedBytes };
  };
  return { proxy, fetch, expected: { sha256: sha256[0], fetchedBytes: dataBytes[0] } };
}

it.each<[what: string, toxic: Toxic]>([
  ['are cut after some bytes, all of them', { type: 'limit_data', attributes: { bytes: 300 * KiB } }],
  ['are reset', { type: 'reset_peer', attributes: { timeout: 200 }, toxicity: 0.4 }],
  ['stall', { type: 'timeout', attributes: { timeout: 0 }, toxicity: 0.3 }],
  [
    'bring bytes in small pieces',
    { type: 'slicer', attributes: { average_size: 700, size_variation: 600, delay: 1 } },
  ],
  ['are slow and answer late', { type: 'latency', attributes: { latency: 100, jitter: 90 } }],
])('a disk comes whole, and no byte of it twice, when connections %s', async (_what, toxic) => {
  const { proxy, fetch, expected } = await behindProxy();
  await proxy.add(toxic);
  expect(await fetch(testIo())).toEqual(expected);
});

it('a disk comes whole when the network is away for seconds in the middle, and that is said', async () => {
  const { proxy, fetch, expected } = await behindProxy();
  // Slow enough for there to be a middle.
  await proxy.add({ type: 'bandwidth', attributes: { rate: 1_000 } });
  const said: string[] = [];
  let away: Promise<void> | undefined;
  const absence = async () => {
    await proxy.enable(false);
    await sleep(3_000);
    await proxy.enable(true);
  };
  const io: StepIo = {
    ...testIo(),
    report: (doing, disk) => {
      said.push(doing);
      if (disk && disk.doneBytes > 2 * chunkBytes) away ??= absence();
    },
  };
  expect(await fetch(io)).toEqual(expected);
  await away;
  expect(said.join('\n')).toMatch(/ECONNREFUSED.*asking again/);
});
