import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB, noiseDisk } from '../bench/noise-disk.ts';
import { guestDisks } from '../guests/guests.ts';
import { run } from '../guests/lib/run.ts';
import { descendantsOf, type LonghaulProcess } from '../support/longhaul-process.ts';
import { runningActivity, untilInside } from './site.ts';
import { newSite, startTemporal, type TemporalServer } from './temporal-server.ts';

let directory: string;
/** A disk that takes seconds to copy when it is compressed. */
let large: string;
let guest: string;
let server: TemporalServer;
let client: Client;

beforeAll(async () => {
  directory = await mkdtemp('/var/tmp/longhaul-chaos-');
  large = await noiseDisk(join(directory, 'large.qcow2'), { dataBytes: 512 * MiB, virtualBytes: 600 * MiB });
  [guest = ''] = await guestDisks('tiny', 'qcow2');
  server = await startTemporal(join(directory, 'server'));
  ({ client } = server);
});
afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true });
});

const unfixed = { guest: { fix: false } };
/** Long enough to be met in the middle of its copy. */
const slowly = { ...unfixed, target: { compression: 'zstd' } } as const;

/** Waits until a worker copies a disk, and holds the copy still there: it then ends by being killed alone. */
async function heldCopy(worker: LonghaulProcess, handle: WorkflowHandle): Promise<void> {
  while ((await runningActivity(handle)) !== 'ended') {
    const copy = descendantsOf(worker.pid).find(({ command }) => /^qemu-img convert /.test(command));
    if (copy) return void process.kill(copy.pid, 'SIGSTOP');
  }
  throw new Error('the migration ended before its copy was seen');
}

async function cancelled(handle: WorkflowHandle): Promise<void> {
  await handle.cancel();
  const end: unknown = await handle.result().catch((error: unknown) => error);
  expect(end).toBeInstanceOf(WorkflowFailedError);
  expect((end as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
}

describe('a migration that is cancelled', () => {
  it('in the middle of a copy leaves nothing', async () => {
    const site = await newSite();
    const worker = site.worker(server.address);
    const handle = await site.migrate(client, large, { verifyBoot: false }, slowly);
    await heldCopy(worker, handle);
    await cancelled(handle);
    await site.stop();
    expect(await site.left()).toEqual({ disks: [], domains: [], leftovers: [] });
  });

  it.each([
    { onAbort: 'keep' as const, left: 1 },
    { onAbort: 'purge' as const, left: 0 },
  ])(
    'while its clone boots leaves no domain, and its disk by its wish: $onAbort',
    async ({ onAbort, left }) => {
      const site = await newSite();
      site.worker(server.address);
      // Not fixed, the guest looks for its root in vain: the boot check goes on until it is stopped.
      const handle = await site.migrate(client, guest, { verifyBoot: true, onAbort }, unfixed);
      await untilInside(handle, 'verifyBoot', 4_000);
      await cancelled(handle);
      await site.stop();
      const disks = [`${site.hostId}-disk1.qcow2`].slice(0, left);
      expect(await site.left()).toEqual({ disks, domains: [], leftovers: [] });
    },
  );
});

describe('a worker that is told to stop', () => {
  it('gives a copy back, and the next worker makes the same disk of it', async () => {
    const site = await newSite();
    const first = site.worker(server.address, { LONGHAUL_DRAIN_SECONDS: '1' });
    const handle = await site.migrate(client, large, { verifyBoot: false, verifyCopy: true }, slowly);
    await heldCopy(first, handle);
    await first.stop();
    expect(await runningActivity(handle)).toBeUndefined();
    const second = site.worker(server.address);
    const again = await untilInside(handle, 'convertDisk', 0);
    // A step that was given back is begun anew: what it took before counts against nobody.
    expect(again).toMatchObject({ attempt: 1, workerPid: second.pid });
    while ((await runningActivity(handle)) !== 'ended') await sleep(200);
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    await site.stop();
    const disk = `${site.hostId}-disk1.qcow2`;
    expect(await site.left()).toEqual({ disks: [disk], domains: [site.hostId], leftovers: [] });
    await run('qemu-img', ['compare', '-s', large, join(site.targetDir, disk)]);
  });
});
