import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { hostTaskQueue, placementTaskQueue, workflowTaskQueue } from '../../contracts/queues.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import { PlacedVms } from '../../workers/placed-vms.ts';
import { createPlacementActivities } from '../../workers/placement.ts';
import { resolve, startControlPlane, until, type ControlPlane } from '../support/control-plane.ts';
import { scratchDirectory } from '../support/scratch.ts';
import { scriptedHost } from '../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

/** A host of two slots that takes VMs; `busy` may be changed. Its steps do nothing. */
async function hostWith(busy: number) {
  const host = {
    hostId: `host-${randomUUID().slice(0, 8)}`,
    busy,
    drained: false,
    placed: new PlacedVms(),
  };
  // Hosts do not share a process, and two workers of one connection may not share a queue.
  const connection = await NativeConnection.connect({ address: plane.environment.address });
  const workers = [
    await Worker.create({
      connection,
      taskQueue: placementTaskQueue,
      activities: createPlacementActivities(
        {
          hostId: host.hostId,
          labels: [],
          slots: 2,
          targetDirectory: scratchDirectory(),
          running: () => host.busy,
          isDrained: () => host.drained,
          placed: host.placed,
        },
        () => Promise.resolve(),
      ),
      maxConcurrentActivityTaskExecutions: 1,
      shutdownGraceTime: 0,
    }),
    await Worker.create({
      connection,
      taskQueue: hostTaskQueue(host.hostId),
      activities: scriptedHost(host.hostId).activities,
      shutdownGraceTime: 0,
    }),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  onTestFinished(async () => {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
  });
  return host;
}

/** Starts a migration to whichever host takes it. */
async function migrate(image: string) {
  const spec = migrationSpec.parse({ name: 'web01', source: { kind: 'image', disks: [image] } });
  const tuning = { retryInitialSeconds: 0.05, heartbeatTimeoutSeconds: 5 };
  const handle = await plane.environment.client.workflow.start('migrateVm', {
    workflowId: `migrate-image-web01-${randomUUID().slice(0, 8)}`,
    taskQueue: workflowTaskQueue,
    args: [{ spec, tuning }],
  });
  return handle;
}

async function anImage(): Promise<string> {
  const path = join(scratchDirectory(), 'web01.qcow2');
  await writeFile(path, '');
  return path;
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
    const pending = async () => (await handle.describe()).raw.pendingActivities?.[0];
    while (((await pending())?.attempt ?? 0) < 4) await new Promise((done) => setTimeout(done, 50));
    expect((await pending())?.lastFailure?.message).toMatch(/all 2 slots of host-[0-9a-f]+ are busy/);
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
});
