import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { deviceOf } from '../../activities/host/space.ts';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { hostTaskQueue, workflowTaskQueue } from '../../contracts/queues.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import { createFleetActivities } from '../../workers/fleet-activities.ts';
import { createPlacementWorkers } from '../../workers/host-queues.ts';
import { PlacedVms } from '../../workers/placed-vms.ts';
import { createPlacementActivities } from '../../workers/placement.ts';
import { resolve, startControlPlane, until, type ControlPlane } from '../support/control-plane.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { gate, scriptedHost } from '../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

/** A directory of a file system without any room. */
const withoutRoom = '/sys';

/** A host of two slots that takes VMs; `busy` may be changed. Its steps do nothing. */
async function hostWith(busy: number, labels: string[] = [], targetDirectory = scratchDirectory()) {
  const host = {
    hostId: `host-${randomUUID().slice(0, 8)}`,
    busy,
    drained: false,
    placed: new PlacedVms(),
    /** What it was given begins when this is open. */
    begins: undefined as ReturnType<typeof gate> | undefined,
  };
  // Hosts do not share a process, and two workers of one connection may not share a queue.
  const connection = await NativeConnection.connect({ address: plane.environment.address });
  const placement = createPlacementActivities(
    {
      hostId: host.hostId,
      labels,
      slots: 2,
      targetDirectory,
      running: () => host.busy,
      isDrained: () => host.drained,
      placed: host.placed,
    },
    () => new Promise((done) => setTimeout(done, 50)),
  );
  const { activities: steps } = scriptedHost(host.hostId);
  const acquire: typeof steps.acquire = async (ctx) => {
    await host.begins?.wait();
    host.placed.noteStep(ctx.run, 'acquire');
    return steps.acquire(ctx);
  };
  const fleet = createFleetActivities(plane.environment.client);
  const shared = { connection, shutdownGraceTime: 0 };
  const workers = [
    ...(await createPlacementWorkers(shared, { hostId: host.hostId, labels, placement, fleet })),
    await Worker.create({
      connection,
      taskQueue: hostTaskQueue(host.hostId),
      activities: { ...steps, acquire },
      shutdownGraceTime: 0,
    }),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  const end = async () => {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
  };
  let ended: Promise<void> | undefined;
  const stop = () => (ended ??= end());
  onTestFinished(stop);
  return Object.assign(host, { stop });
}

/** Starts a migration to whichever host takes it. */
async function migrate(image: string, labels?: string[]) {
  const spec = migrationSpec.parse({
    name: 'web01',
    source: { kind: 'image', disks: [image] },
    target: { labels },
  });
  const tuning = { retryInitialSeconds: 0.05, heartbeatTimeoutSeconds: 5 };
  const handle = await plane.environment.client.workflow.start('migrateVm', {
    workflowId: `migrate-image-web01-${randomUUID().slice(0, 8)}`,
    taskQueue: workflowTaskQueue,
    args: [{ spec, tuning }],
  });
  return handle;
}

async function anImage(bytes = 0): Promise<string> {
  const path = join(scratchDirectory(), 'web01.qcow2');
  await writeFile(path, Buffer.alloc(bytes, 1));
  return path;
}

/** What the migration waits for: how often it was tried, and what the last try said. */
async function waiting(handle: WorkflowHandle): Promise<{ attempt: number; said: string }> {
  const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
  return { attempt: pending?.attempt ?? 0, said: pending?.lastFailure?.message ?? '' };
}

describe('a migration to any host', () => {
  it('goes to the one with a free slot', async () => {
    const hosts = [await hostWith(2), await hostWith(1), await hostWith(2)];
    const image = await anImage();
    for (const handle of await Promise.all([migrate(image), migrate(image), migrate(image)])) {
      expect(await handle.result()).toMatchObject({ status: 'completed', hostId: hosts[1]?.hostId });
    }
  });

  it('waits while every host is busy, and goes to the first that is not', async () => {
    const [one, two] = [await hostWith(2), await hostWith(2)];
    const handle = await migrate(await anImage());
    await expect.poll(async () => (await waiting(handle)).attempt).toBeGreaterThan(3);
    expect((await waiting(handle)).said).toMatch(/all 2 slots of host-[0-9a-f]+ are busy/);
    two.busy = 1;
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: two.hostId });
    expect(one.busy).toBe(2);
  });

  it('asks the operator when no host has the image, and goes on when one has', async () => {
    const host = await hostWith(0);
    const image = join(scratchDirectory(), 'late.qcow2');
    const handle = await migrate(image);
    const { failure } = await until(handle, ({ status }) => status === 'parked');
    expect(failure).toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    expect(failure?.found).toContain(`${image} does not exist on host ${host.hostId}`);
    await writeFile(image, '');
    await resolve(handle, { action: 'retry' });
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: host.hostId });
  });

  it('does not ask the operator when a host with room was only busy', async () => {
    const image = await anImage(8192);
    const busy = await hostWith(2);
    const handle = await migrate(image);
    await expect
      .poll(async () => (await waiting(handle)).said)
      .toMatch(/all 2 slots of host-[0-9a-f]+ are busy/);
    // From here on each try is made by the other one.
    await busy.stop();
    await hostWith(0, [], withoutRoom);
    await expect.poll(async () => (await waiting(handle)).said).toMatch(/has 0 bytes free/);
    const { attempt } = await waiting(handle);
    await expect.poll(async () => (await waiting(handle)).attempt).toBeGreaterThan(Math.max(attempt, 3));
    const roomy = await hostWith(0);
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: roomy.hostId });
  });

  it('asks the operator when no host has room, busy ones included', async () => {
    await hostWith(2, [], withoutRoom);
    const { hostId } = await hostWith(0, [], withoutRoom);
    const image = await anImage(8192);
    const handle = await migrate(image);
    const { failure } = await until(handle, ({ status }) => status === 'parked');
    expect(failure?.found).toMatch(
      `${hostId} has 0 bytes free in ${withoutRoom}, and the VM may need 8.0 KiB`,
    );
    await resolve(handle, { action: 'abort' });
  });

  it('goes to a host that has all of its labels, and waits while there is none', async () => {
    const image = await anImage();
    await hostWith(0, ['zone=a']);
    await hostWith(0, ['ssd']);
    const handle = await migrate(image, ['ssd', 'zone=a']);
    const { doing } = await until(handle, (now) => now.doing !== undefined);
    expect(doing).toBe('waits for a host with the labels ssd and zone=a');
    await expect.poll(async () => (await waiting(handle)).said).toMatch(/does not have the label zone=a/);
    const both = await hostWith(0, ['ssd', 'zone=a']);
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: both.hostId });
  });

  it('does not go to one that is drained', async () => {
    const [drained, other] = [await hostWith(0), await hostWith(0)];
    drained.drained = true;
    const image = await anImage();
    for (const handle of await Promise.all([migrate(image), migrate(image), migrate(image)]))
      expect(await handle.result()).toMatchObject({ hostId: other.hostId });
  });

  it('leaves some for other hosts when many come at once', async () => {
    const hosts = [await hostWith(0), await hostWith(0)];
    const image = await anImage();
    const begins = gate();
    for (const host of hosts) host.begins = begins;
    const handles = await Promise.all(Array.from({ length: 4 }, () => migrate(image)));
    await expect.poll(() => hosts.map(({ placed }) => placed.waiting)).toEqual([2, 2]);
    begins.open();
    const reports = (await Promise.all(handles.map((handle) => handle.result()))) as { hostId: string }[];
    for (const { hostId } of hosts)
      expect(reports.filter((report) => report.hostId === hostId)).toHaveLength(2);
  });

  it('goes where there is room for what was placed before too', async () => {
    const [full, roomy] = [await hostWith(0), await hostWith(0)];
    const image = await anImage(8192);
    // More than there is: what is free changes while others write and remove.
    full.placed.place({ migrationId: 'earlier', runId: 'r' }, await deviceOf(image), 2 ** 60);
    full.placed.noteStep({ migrationId: 'earlier', runId: 'r' }, 'acquire');
    expect(await (await migrate(image)).result()).toMatchObject({ hostId: roomy.hostId });
    roomy.drained = true;
    const handle = await migrate(image);
    await expect.poll(async () => (await waiting(handle)).said).toMatch(/may need 8.0 KiB/);
    full.placed.forget({ migrationId: 'earlier', runId: 'r' });
    expect(await handle.result()).toMatchObject({ hostId: full.hostId });
  });
});
