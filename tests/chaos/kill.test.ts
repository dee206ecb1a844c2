import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { MigrationReport } from '../../contracts/steps.ts';
import { startEmbeddedServer, type EmbeddedServer } from '../../workers/embedded/embedded-server.ts';
import { guestDisks } from '../guests/guests.ts';
import { descendantsOf } from '../support/longhaul-process.ts';
import { silentLog } from '../support/io.ts';
import { temporalBinary } from '../support/temporal.ts';
import { guestContent, type GuestContent } from './guest-content.ts';
import { runningActivity, Site, untilInside } from './site.ts';

let image: string;
let serverSite: Site;
let server: EmbeddedServer;
let client: Client;
/** What an undisturbed migration makes of the guest. */
let reference: GuestContent;

beforeAll(async () => {
  [image = ''] = await guestDisks('tiny', 'qcow2');
  serverSite = await Site.create();
  const options = { binary: await temporalBinary(), stateDir: join(serverSite.directory, 'server') };
  server = await startEmbeddedServer({ ...options, port: 0, uiPort: 0, log: silentLog });
  client = await clientOf(server.address);
});
afterAll(async () => {
  await client.connection.close();
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
});
