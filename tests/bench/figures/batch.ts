import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { Say } from '../../guests/lib/run.ts';
import { runWorkers, startControlPlane, type ControlPlane } from '../../support/control-plane.ts';
import { batch, batchVms } from '../../support/batch-site.ts';
import { residentBytes } from '../../support/resident.ts';
import { batchTraces } from '../batch/traces.ts';
import { rounded, type Figure } from '../figure.ts';

const atOnce = 50;
const bound = 1.5;
const slots = 100;
const bareQueue = 'bench-bare';
const bareWorkflows = fileURLToPath(new URL('../batch/bare-workflows.ts', import.meta.url));
const bareMeasured = 'a plain window over as many child workflows of as many no-op activities';

interface BatchCost {
  vms: number;
  seconds: number;
  /** Processor time of this process, in which all workers run; the server is another. */
  cpuSeconds: number;
  /** Memory of this process before, and the most it had. */
  idleMb: number;
  peakMb: number;
}

/**
 * What a batch costs whose steps do nothing, against the least that Temporal takes for as much.
 *
 * @param where the server, for the names of the figures
 */
export async function batchFigures(say: Say, start = startControlPlane, where = ''): Promise<Figure[]> {
  const vms = 1_000;
  const plane = await start();
  try {
    say(`a plain window over ${vms} children of no-op activities`);
    const bare = await bareCost(plane, vms, false);
    say('the same, activities on a queue of their own');
    const onHost = await bareCost(plane, vms, true);
    say(`a batch of ${vms} VMs, ${atOnce} at once`);
    const ours = await batchCost(plane, vms);
    const figure = (what: string, of: (cost: BatchCost) => number) => ({
      name: `batch of ${vms} VMs, ${atOnce} at once${where}, ${what}`,
      measured: bareMeasured,
      value: of(ours) / of(bare),
      unit: '×' as const,
      bound,
      readings: { batch: rounded([of(ours)]), bare: rounded([of(bare)]), onHost: rounded([of(onHost)]) },
    });
    const time = figure('time', ({ seconds }) => seconds);
    const cpu = figure('processor time of the worker', ({ cpuSeconds }) => cpuSeconds);
    const told = ({ name, unit, readings }: Figure, of: (cost: BatchCost) => number): Figure => ({
      name: `${name}, against activities of a host's own queue`,
      measured: 'the same; the worker that runs the workflow may not take its activities along',
      value: of(ours) / of(onHost),
      unit,
      readings,
    });
    return [time, told(time, ({ seconds }) => seconds), cpu, told(cpu, ({ cpuSeconds }) => cpuSeconds)];
  } finally {
    await plane.stop();
  }
}

/** Whether what a batch needs grows with its VMs. */
export async function largeBatchFigures(say: Say): Promise<Figure[]> {
  const [few, many] = [1_000, 10_000];
  const plane = await startControlPlane();
  try {
    say(`a batch of ${few} VMs, ${atOnce} at once`);
    const small = await batchCost(plane, few);
    say(`a batch of ${many} VMs, ${atOnce} at once`);
    const large = await batchCost(plane, many);
    say('reading histories');
    const { events, payloadBytes } = await batchTraces(plane.environment.client, large.name);
    const name = `batch of ${many} VMs, ${atOnce} at once`;
    const perVm = (of: (cost: BatchCost) => number) => ({
      value: of(large) / large.vms / (of(small) / small.vms),
      unit: '×' as const,
      readings: { small: rounded([of(small)]), large: rounded([of(large)]) },
    });
    const measured = `a VM of a batch of ${few}`;
    return [
      { name: `${name}, time of a VM`, measured, bound: 1, ...perVm(({ seconds }) => seconds) },
      { name: `${name}, processor time of a VM`, measured, bound: 1, ...perVm((cost) => cost.cpuSeconds) },
      {
        name: `${name}, memory over idle`,
        measured: 'resident set of the process with all workers, the client and the steps',
        value: large.peakMb - large.idleMb,
        unit: 'MB',
        bound: 400,
        readings: { idleMb: rounded([large.idleMb]), peakMb: rounded([large.peakMb]) },
      },
      {
        name: `${name}, longest history`,
        measured: 'batch, pages and migrations, as the server has them',
        value: events,
        unit: 'events',
        bound: 10_000,
        readings: {},
      },
      {
        name: `${name}, largest payload`,
        measured: 'the same, and the answers to questions about them',
        value: payloadBytes / 1024,
        unit: 'KiB',
        bound: 64,
        readings: {},
      },
    ];
  } finally {
    await plane.stop();
  }
}

async function bareCost({ environment }: ControlPlane, vms: number, onHost: boolean): Promise<BatchCost> {
  const connection = environment.nativeConnection;
  const activities = { nothing: () => Promise.resolve() };
  const maxConcurrentActivityTaskExecutions = slots;
  const own = { connection, activities, maxConcurrentActivityTaskExecutions };
  const stop = runWorkers([
    await Worker.create({ ...own, taskQueue: bareQueue, workflowsPath: bareWorkflows }),
    ...(onHost ? [await Worker.create({ ...own, taskQueue: `${bareQueue}-host` })] : []),
  ]);
  try {
    return await costOf(vms, () =>
      environment.client.workflow.start('bareBatch', {
        workflowId: `bare-${randomUUID()}`,
        taskQueue: bareQueue,
        args: [`bare-${randomUUID().slice(0, 8)}`, vms, atOnce, onHost],
      }),
    );
  } finally {
    await stop();
  }
}

async function batchCost(plane: ControlPlane, vms: number): Promise<BatchCost & { name: string }> {
  const host = await plane.host({}, slots);
  const name = `bench-${randomUUID().slice(0, 8)}`;
  try {
    const cost = await costOf(vms, () =>
      batch(plane, { name, atOnce }, batchVms(host.hostId, `${name}-`, vms)),
    );
    return { ...cost, name };
  } finally {
    await host.stop();
  }
}

async function costOf(vms: number, start: () => Promise<WorkflowHandle>): Promise<BatchCost> {
  const idleMb = residentBytes() / 1e6;
  let peakMb = idleMb;
  const sampling = setInterval(() => (peakMb = Math.max(peakMb, residentBytes() / 1e6)), 500);
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  try {
    await (await start()).result();
  } finally {
    clearInterval(sampling);
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - started) / 1000;
  return { vms, seconds, cpuSeconds: (user + system) / 1e6, idleMb, peakMb };
}
