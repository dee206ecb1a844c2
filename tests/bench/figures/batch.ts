import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { Say } from '../../guests/lib/run.ts';
import { startEmbeddedServer } from '../../../workers/embedded/embedded-server.ts';
import {
  runWorkers,
  startControlPlane,
  type ControlPlane,
  type ExistingServer,
} from '../../support/control-plane.ts';
import { silentLog } from '../../support/io.ts';
import { temporalBinary } from '../../support/temporal.ts';
import { batch, batchVms } from '../../support/batch-site.ts';
import { residentBytes } from '../../support/resident.ts';
import { batchTraces } from '../batch/traces.ts';
import { rounded, type Figure } from '../figure.ts';

const atOnce = 50;
const bound = 1.5;
const slots = 100;
/** What this process does for the first time takes longer. */
const warmUpVms = 100;
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

/** Measures on a server that nobody has used yet: what is in it already would count for whoever comes later. */
export type OnNewServer = <T>(measure: (plane: ControlPlane) => Promise<T>) => Promise<T>;

/** The server of `longhaul up`, its database below `scratch`. */
export const onEmbeddedServer =
  (scratch: string): OnNewServer =>
  async (measure) => {
    const stateDir = await mkdtemp(join(scratch, 'server-'));
    const binary = await temporalBinary();
    const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
    try {
      const { address, namespace } = server;
      return await onPlane({ address, namespace, connectionOptions: {} }, measure);
    } finally {
      await server.stop();
      await rm(stateDir, { recursive: true });
    }
  };

export async function onPlane<T>(
  server: ExistingServer,
  measure: (plane: ControlPlane) => Promise<T>,
): Promise<T> {
  const plane = await startControlPlane(server);
  try {
    return await measure(plane);
  } finally {
    await plane.stop();
  }
}

/**
 * What a batch costs whose steps do nothing, against the least that Temporal takes for as much.
 *
 * @param where the server, for the names of the figures
 */
export async function batchFigures(say: Say, onServer: OnNewServer, where = ''): Promise<Figure[]> {
  const vms = 1_000;
  const costs = { bare: [] as BatchCost[], batch: [] as BatchCost[], onHost: [] as BatchCost[] };
  const measured = {
    bare: (plane: ControlPlane) => bareCost(plane, vms, false),
    onHost: (plane: ControlPlane) => bareCost(plane, vms, true),
    batch: (plane: ControlPlane) => batchCost(plane, vms),
  };
  say('warming up');
  await onServer((plane) => bareCost(plane, warmUpVms, false));
  await onServer((plane) => batchCost(plane, warmUpVms));
  // There and back, for what else the machine does.
  for (const what of ['bare', 'onHost', 'batch', 'batch', 'onHost', 'bare'] as const) {
    const cost = await onServer(measured[what]);
    say(`${what}: ${rounded([cost.seconds, cost.cpuSeconds]).join(' s, processor ')} s`);
    costs[what].push(cost);
  }
  const figure = (what: string, of: (cost: BatchCost) => number) => {
    const readings = {
      batch: rounded(costs.batch.map(of)),
      bare: rounded(costs.bare.map(of)),
      onHost: rounded(costs.onHost.map(of)),
    };
    const total = (all: readonly BatchCost[]) => all.reduce((sum, cost) => sum + of(cost), 0);
    const name = `batch of ${vms} VMs, ${atOnce} at once${where}, ${what}`;
    const unit = '×' as const;
    return [
      { name, measured: bareMeasured, value: total(costs.batch) / total(costs.bare), unit, bound, readings },
      {
        name: `${name}, against activities of a host's own queue`,
        measured: 'the same; the worker that runs the workflow may not take its activities along',
        value: total(costs.batch) / total(costs.onHost),
        unit,
        readings,
      },
    ];
  };
  return [
    ...figure('time', ({ seconds }) => seconds),
    ...figure('processor time of the worker', ({ cpuSeconds }) => cpuSeconds),
  ];
}

const [few, many] = [1_000, 10_000];

/** What one of many costs, against one of few. */
function growth(of: (cost: BatchCost) => number, small: BatchCost, large: BatchCost) {
  return {
    value: of(large) / large.vms / (of(small) / small.vms),
    unit: '×' as const,
    readings: { small: rounded([of(small)]), large: rounded([of(large)]) },
  };
}

/** Whether what a batch needs grows with its VMs. */
export async function largeBatchFigures(say: Say, onServer: OnNewServer): Promise<Figure[]> {
  say(`a batch of ${few} VMs, ${atOnce} at once`);
  const small = await onServer((plane) => batchCost(plane, few));
  say(`a batch of ${many} VMs, ${atOnce} at once`);
  const { large, events, payloadBytes } = await onServer(async (plane) => {
    const cost = await batchCost(plane, many);
    say('reading histories');
    return { large: cost, ...(await batchTraces(plane.environment.client, cost.name)) };
  });
  const name = `batch of ${many} VMs, ${atOnce} at once`;
  const measured = `a VM of a batch of ${few}`;
  return [
    {
      name: `${name}, time of a VM`,
      measured,
      bound: 1,
      ...growth(({ seconds }) => seconds, small, large),
    },
    {
      name: `${name}, processor time of a VM`,
      measured,
      bound: 1,
      ...growth(({ cpuSeconds }) => cpuSeconds, small, large),
    },
    {
      name: `${name}, memory over idle`,
      measured: 'resident set of the process with all workers, the client and the steps, before any batch',
      value: large.peakMb - small.idleMb,
      unit: 'MB',
      bound: 400,
      readings: { idleMb: rounded([small.idleMb, large.idleMb]), peakMb: rounded([large.peakMb]) },
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
}

/** How much more one of many costs where nobody does anything: what the server alone adds. */
export async function largeBareFigures(say: Say, onServer: OnNewServer): Promise<Figure[]> {
  const cost = (vms: number) => {
    say(`a plain window over ${vms} children`);
    return onServer((plane) => bareCost(plane, vms, true));
  };
  const [small, large] = [await cost(few), await cost(many)];
  const name = `plain window over ${many} children, activities of a host's own queue`;
  const measured = `a child of a window over ${few}`;
  return [
    { name: `${name}, time of a child`, measured, ...growth(({ seconds }) => seconds, small, large) },
    {
      name: `${name}, processor time of a child`,
      measured,
      ...growth(({ cpuSeconds }) => cpuSeconds, small, large),
    },
  ];
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
