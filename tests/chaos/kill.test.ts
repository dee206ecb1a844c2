import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { MigrationReport } from '../../contracts/steps.ts';
import { guestDisks } from '../guests/guests.ts';
import { descendantsOf, type LonghaulProcess } from '../support/longhaul-process.ts';
import { guestContent, type GuestContent } from './guest-content.ts';
import { runningActivity, Site, untilInside } from './site.ts';
import { clientOf, newSite, startTemporal, type TemporalServer } from './temporal-server.ts';

let image: string;
let serverSite: Site;
let server: TemporalServer;
let client: Client;
/** What an undisturbed migration makes of the guest. */
let reference: GuestContent;

beforeAll(async () => {
  [image = ''] = await guestDisks('tiny', 'qcow2');
  serverSite = await Site.create();
  server = await startTemporal(join(serverSite.directory, 'server'));
  ({ client } = server);
});
afterAll(async () => {
  await server.stop();
  await serverSite.remove();
});

describe('a migration whose processes are killed', () => {
  it('is measured by one that is left in peace: one disk, one domain, nothing else', async () => {
    const site = await newSite();
    site.worker(server.address);
    const handle = await site.migrate(client, image, { verifyBoot: false });
    await expectCompleted(handle);
    await site.stop();
    reference = await expectClean(site);
    expect(reference).toHaveProperty(['etc/fstab']);
  });

  it(
    'ends the same when the worker is killed once in the middle of every step',
    async () => {
      const missing = new Set<string>(hostSteps);
      // Short steps may be over before they are caught: another migration is another chance.
      for (let round = 0; round < maxRounds && missing.size > 0; round++) await killInside(missing);
      expect([...missing]).toEqual([]);
    },
    25 * 60_000,
  );

  it('completes when the Temporal server is killed, and then everything at once', async () => {
    const site = await newSite();
    const first = site.up('0');
    const address = await addressOf(first);
    const ownClient = await clientOf(address);
    onTestFinished(() => ownClient.connection.close());
    const handle = await site.migrate(ownClient, image, { verifyBoot: true });

    await untilInside(handle, 'inspectGuest', 3_000);
    const servers = descendantsOf(first.pid).filter(({ command }) => command.includes('server start-dev'));
    expect(servers).toHaveLength(1);
    for (const { pid } of servers) process.kill(pid, 'SIGKILL');
    await first.untilPrinted(/the Temporal server is back/);

    await untilInside(handle, 'verifyBoot', 4_000);
    expect(await site.kill(first)).toEqual([]);
    site.up(address.slice(address.lastIndexOf(':') + 1));
    while ((await runningActivity(handle)) !== 'ended') await sleep(200);
    await expectCompleted(handle);
    await site.stop();
    expect(await expectClean(site)).toEqual(reference);
  });

  it('completes on the other worker of the host when the one that has it is killed', async () => {
    const site = await newSite();
    const workers = [site.worker(server.address), site.worker(server.address)];
    await Promise.all(workers.map((worker) => worker.untilPrinted(/worker is ready/)));
    const handle = await site.migrate(client, image, { verifyBoot: false });
    const { workerPid } = await untilInside(handle, 'inspectGuest', 3_000);
    const victim = workers.find(({ pid }) => pid === workerPid);
    if (!victim) throw new Error(`no worker has the pid ${workerPid}`);
    expect(await site.kill(victim)).toEqual([]);
    await expectCompleted(handle);
    await site.stop();
    expect(await expectClean(site)).toEqual(reference);
  });
});

/** How long a step is left to itself before its worker is killed: the appliance, and the clone, are then up. */
const msInto: Readonly<Record<string, number>> = { inspectGuest: 3_000, fixGuest: 300, verifyBoot: 4_000 };

/** The activities of a host, each of which a worker must be killed in. */
const hostSteps = [
  'preflight',
  'acquire',
  'inspectGuest',
  'fixGuest',
  'convertDisk',
  'defineDomain',
  'verifyBoot',
  'finish',
];
const maxRounds = 6;

/** One migration, its worker killed once inside each of the steps; takes those that were hit out of the set. */
async function killInside(missing: Set<string>): Promise<void> {
  const site = await newSite();
  const verifyBoot = missing.has('verifyBoot');
  let worker = site.worker(server.address);
  const handle = await site.migrate(client, image, { verifyBoot });
  const [tried, survivors] = [new Set<string>(), [] as string[]];
  for (;;) {
    const running = await runningActivity(handle);
    if (running === 'ended') break;
    if (running === undefined || tried.has(running.name) || !missing.has(running.name)) continue;
    // Held still, a step cannot end between the look that finds it at work and the kill.
    const longStep = msInto[running.name];
    if (longStep !== undefined) await sleep(longStep);
    worker.freeze();
    const held = await runningActivity(handle);
    const inside = typeof held === 'object' && held.name === running.name && held.workerPid === worker.pid;
    if (!inside) {
      worker.thaw();
      continue;
    }
    tried.add(running.name);
    survivors.push(...(await site.kill(worker)));
    worker = site.worker(server.address);
  }
  await expectCompleted(handle);
  expect(survivors).toEqual([]);
  await site.stop();
  expect(await expectClean(site)).toEqual(reference);
  for (const name of tried) missing.delete(name);
  console.info(`killed inside: ${[...tried].join(', ')}`);
}

async function addressOf(up: LonghaulProcess): Promise<string> {
  return (await up.untilPrinted(/"address":"([^"]+)"/))[1] ?? '';
}

async function expectCompleted(handle: WorkflowHandle): Promise<void> {
  const report = (await handle.result()) as MigrationReport;
  expect(report.status).toBe('completed');
}

/** After the host has stopped: one disk and one domain are there, and nothing else is. Gives the disk's content. */
async function expectClean(site: Site): Promise<GuestContent> {
  const disk = `${site.hostId}-disk1.qcow2`;
  expect(await site.left()).toEqual({ disks: [disk], domains: [site.hostId], leftovers: [] });
  return guestContent(join(site.targetDir, disk), site.directory);
}
