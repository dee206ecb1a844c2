import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { Say } from '../../guests/lib/run.ts';
import {
  runWorkers,
  startControlPlane,
  type ControlPlane,
  type ExistingServer,
} from '../../support/control-plane.ts';
import { batch, batchVms } from '../../support/batch-site.ts';
import type { Figure } from '../figure.ts';

const vms = 1_000;
const atOnce = 50;
const bound = 1.5;
const slots = 100;
const bareQueue = 'bench-bare';
const bareWorkflows = fileURLToPath(new URL('../batch/bare-workflows.ts', import.meta.url));

interface BatchCost {
  seconds: number;
  /** Processor time of this process, in which all workers run; the server is another. */
  cpuSeconds: number;
}

/**
 * What a batch of many VMs costs whose steps do nothing, against the least that Temporal takes for as much.
 *
 * @param server in place of the embedded one
 */
export async function batchFigures(say: Say, server?: ExistingServer): Promise<Figure[]> {
  const plane = await startControlPlane(server);
  try {
    say(`a plain window over ${vms} children of no-op activities`);
    const bare = await bareCost(plane);
    say(`a batch of ${vms} VMs, ${atOnce} at once`);
    const ours = await batchCost(plane);
    const events = await longestHistory(plane, ours.name);
    const readings = {
      batchSeconds: [ours.seconds],
      bareSeconds: [bare.seconds],
      batchCpuSeconds: [ours.cpuSeconds],
      bareCpuSeconds: [bare.cpuSeconds],
    };
    const measured = `a plain window over as many child workflows of as many no-op activities`;
    return [
      {
        name: `batch of ${vms} VMs, ${atOnce} at once, time`,
        measured,
        value: ours.seconds / bare.seconds,
        unit: '×',
        bound,
        readings,
      },
      {
        name: `batch of ${vms} VMs, ${atOnce} at once, processor time of the worker`,
        measured,
        value: ours.cpuSeconds / bare.cpuSeconds,
        unit: '×',
        bound,
        readings,
      },
      {
        name: `batch of ${vms} VMs, longest history of the batch and its pages`,
        measured: 'as the server has it',
        value: events,
        unit: 'events',
        bound: 10_000,
        readings: {},
      },
    ];
  } finally {
    await plane.stop();
  }
}

async function bareCost({ environment }: ControlPlane): Promise<BatchCost> {
  const stop = runWorkers([
    await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: bareQueue,
      workflowsPath: bareWorkflows,
      activities: { nothing: () => Promise.resolve() },
      maxConcurrentActivityTaskExecutions: slots,
    }),
  ]);
  try {
    return await costOf(() =>
      environment.client.workflow.start('bareBatch', {
        workflowId: `bare-${randomUUID()}`,
        taskQueue: bareQueue,
        args: [`bare-${randomUUID().slice(0, 8)}`, vms, atOnce],
      }),
    );
  } finally {
    await stop();
  }
}

async function batchCost(plane: ControlPlane): Promise<BatchCost & { name: string }> {
  const host = await plane.host({}, slots);
  const name = `bench-${randomUUID().slice(0, 8)}`;
  try {
    const cost = await costOf(() => batch(plane, { name, atOnce }, batchVms(host.hostId, `${name}-`, vms)));
    return { ...cost, name };
  } finally {
    await host.stop();
  }
}

async function costOf(start: () => Promise<WorkflowHandle>): Promise<BatchCost> {
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  await (await start()).result();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function longestHistory({ environment }: ControlPlane, name: string): Promise<number> {
  let most = 0;
  const query = `LonghaulBatch = "batch-${name}" AND WorkflowType IN ("migrateBatch", "migratePage")`;
  for await (const info of environment.client.workflow.list({ query }))
    most = Math.max(most, info.historyLength);
  return most;
}
