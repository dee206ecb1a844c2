import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationReport } from '../../contracts/steps.ts';
import { guestDisks } from '../guests/guests.ts';
import { WebServer } from '../support/web-server.ts';
import { guestContent } from './guest-content.ts';
import { runningActivity, Site, untilInside } from './site.ts';
import { newSite, startTemporal, type TemporalServer } from './temporal-server.ts';

const connections = 2;

let image: string;
let serverSite: Site;
let server: TemporalServer;
let web: WebServer;
let client: Client;

beforeAll(async () => {
  [image = ''] = await guestDisks('tiny', 'raw');
  serverSite = await Site.create();
  const directory = join(serverSite.directory, 'web');
  await mkdir(directory);
  // Slow enough to be met in the middle.
  web = await WebServer.start(directory, { rateBytesPerSecond: 4 * 1024 ** 2 });
  await copyFile(image, join(web.folder, 'tiny.raw'));
  server = await startTemporal(join(serverSite.directory, 'server'));
  ({ client } = server);
});
afterAll(async () => {
  await server.stop();
  await web.stop();
  await serverSite.remove();
});

async function reportOf(handle: WorkflowHandle): Promise<MigrationReport> {
  while ((await runningActivity(handle)) !== 'ended') await sleep(500);
  return (await handle.result()) as MigrationReport;
}

/** After the host has stopped: one disk and one domain are there, and nothing of the download is. */
async function contentOf(site: Site) {
  await site.stop();
  const disk = `${site.hostId}-disk1.qcow2`;
  expect(await site.left()).toEqual({ disks: [disk], domains: [site.hostId], leftovers: [] });
  return guestContent(join(site.targetDir, disk), site.directory);
}

describe('a migration of a guest on a web server', () => {
  it('whose worker is killed in the middle of the download ends as one from a file, and fetches nothing twice', async () => {
    const site = await newSite();
    const env = { NODE_EXTRA_CA_CERTS: web.authorityPath, LONGHAUL_CONNECTIONS: String(connections) };
    const first = site.worker(server.address, env);
    const handle = await site.migrate(client, web.url('tiny.raw'), { verifyBoot: true });
    await untilInside(handle, 'acquire', 0);
    while ((await site.fetchedChunks()).length < 3) await sleep(50);
    first.freeze();
    const here = await site.fetchedChunks();
    expect(await runningActivity(handle)).toMatchObject({ name: 'acquire', workerPid: first.pid });
    expect(await site.kill(first)).toEqual([]);
    const before = (await web.requests()).length;

    site.worker(server.address, env);
    const report = await reportOf(handle);
    expect(report).toMatchObject({ status: 'completed', boot: { accelerator: 'tcg' } });
    const transfer = report.acquired?.[0]?.transfer;
    expect(transfer?.from).toBe(web.url('tiny.raw'));
    expect(transfer?.fetchedBytes).toBeLessThan(transfer?.dataBytes ?? 0);
    // The beginning is asked for to see whether it is the same disk; of the rest only what was not there.
    const again = (await web.requests()).slice(before).filter(({ range }) => range !== 'bytes=0-65535');
    const asked = again.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));
    expect(asked.filter((offset) => here.includes(offset))).toEqual([]);

    const undisturbed = await newSite();
    undisturbed.worker(server.address);
    expect(await reportOf(await undisturbed.migrate(client, image, { verifyBoot: false }))).toMatchObject({
      status: 'completed',
    });
    expect(await contentOf(site)).toEqual(await contentOf(undisturbed));
  });
});
