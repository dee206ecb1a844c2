import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import type { HostFacts } from '../contracts/hosts.ts';
import { workerIdentity, workflowTaskQueue } from '../contracts/queues.ts';
import type { StepProgress } from '../contracts/steps.ts';
import type { ProgressSignal } from './activity-io.ts';
import { createFleetActivities } from './fleet-activities.ts';
import { createHostActivities, type HostPlane } from './host-activities.ts';
import { HostDesk, sayHello } from './host-desk.ts';
import { createHostWorkers, createPlacementWorkers } from './host-queues.ts';
import { createInventoryActivities } from './inventory-activities.ts';
import { removeLeftovers } from './janitor.ts';
import { createLogger, temporalLogger, type Logger } from './logging.ts';
import type { WorkerOptions } from './options.ts';
import { packageVersion } from './package-version.ts';
import { createPlacementActivities, type PlacementHost } from './placement.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { readHostMemory, slotsFor, type HostMemory } from './slots.ts';
import { gateBook } from './start-gate.ts';
import { createTargetGates } from './target-gates.ts';
import { maxCachedWorkflows, workflowCode } from './workflow-bundle.ts';

/** A step that gets no more time on SIGTERM is stopped this long after the drain began to stop it. */
const forceStopMs = 30_000;
const heartbeatThrottleMs = 1_000;
/** The host book answers within seconds: this very worker opens it if nobody else does. */
const greetingLimitMs = 60_000;

export interface RunningWorker {
  hostId: string;
  slots: number;
  /** Drains: running steps get the configured time, then are given back to be resumed. */
  shutdown(): Promise<void>;
  /** Resolves when the worker has stopped, by `shutdown` or SIGTERM. */
  stopped: Promise<void>;
}

/** Runs a worker until it is told to stop by SIGTERM or SIGINT. */
export async function runWorker(
  options: WorkerOptions,
  log: Logger = createLogger(options.logLevel),
): Promise<void> {
  const worker = await startWorker(options, log);
  log.info(
    { host: worker.hostId, slots: worker.slots, temporal: options.temporal.address },
    'worker is ready',
  );
  await worker.stopped;
  log.info({ host: worker.hostId }, 'worker has stopped');
}

/**
 * Starts the queues of a worker: workflows and placement (shared), this host's own steps and compensations.
 *
 * @throws LonghaulError TEMPORAL_UNREACHABLE
 */
export async function startWorker(options: WorkerOptions, log: Logger): Promise<RunningWorker> {
  Runtime.install({ logger: temporalLogger(log), shutdownSignals: ['SIGTERM', 'SIGINT'] });
  await mkdir(options.stateDir, { recursive: true, mode: 0o700 });
  const { native, client, close } = await connect(options);
  try {
    const memory = readHostMemory();
    const slots = slotsFor(options.configuredSlots, memory);
    const signal: ProgressSignal = (...progress) => signalProgress(client, ...progress);
    const desk: HostDesk = new HostDesk({
      facts: factsOf(options, slots, memory),
      load: () => loadOf(host),
      isStopping: () => isStopping(),
    });
    const host = createHostActivities(options, slots, log, {
      signalProgress: signal,
      askGate: (key) => gateBook(client, key),
      targetGatesOf: createTargetGates(client),
      isDrained: desk.isDrained,
    });
    await removeLeftovers({ client, ...options, sourceOf: host.sourceOf, log });
    const shared = {
      connection: native,
      namespace: options.temporal.namespace,
      shutdownGraceTime: options.drainSeconds * 1000,
      shutdownForceTime: options.drainSeconds * 1000 + forceStopMs,
      maxHeartbeatThrottleInterval: heartbeatThrottleMs,
    };
    await sayHello(client, options.hostId);
    const first: Worker[] = [
      await Worker.create({
        ...shared,
        ...workflowCode(),
        maxCachedWorkflows,
        taskQueue: workflowTaskQueue,
        identity: workerIdentity(options.hostId, process.pid),
      }),
      ...(await createHostWorkers(shared, {
        ...options,
        slots,
        steps: host.steps,
        undo: host.undo,
        inventory: createInventoryActivities(client, host.sourceDeps),
        desk: desk.activities,
      })),
    ];
    const workers = [...first];
    const isStopping = (): boolean => first.some((worker) => worker.getState() !== 'RUNNING');
    const running = runAll(first);
    // Only once it is known whether this host takes VMs.
    const placing = untilGreeted(desk, running, log).then(async () => {
      if (isStopping()) return;
      const more = await createPlacementWorkers(shared, {
        ...options,
        placement: createPlacementActivities(placementHost(options, slots, host, desk), signal),
        fleet: createFleetActivities(client),
      });
      workers.push(...more);
      const placements = runAll(more);
      // It may have begun to stop meanwhile.
      if (isStopping()) for (const worker of more) worker.shutdown();
      await placements;
    });
    const ended = Promise.all([running, placing]).then(() => undefined);
    const stopped = ended.finally(() => closeAll([() => host.close(), close], log));
    const shutdown = async () => {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await stopped;
    };
    return { hostId: options.hostId, slots, shutdown, stopped };
  } catch (error) {
    await closeAll([close], log);
    throw error;
  }
}

const runAll = (workers: readonly Worker[]) => Promise.all(workers.map((worker) => worker.run()));

/** Waits for the host book, which any worker can open; without an answer the host takes VMs. */
async function untilGreeted(desk: HostDesk, running: Promise<unknown>, log: Logger): Promise<void> {
  const late = new AbortController();
  const limit = sleep(greetingLimitMs, 'late', late).catch(() => 'in time');
  const how = await Promise.race([desk.greeted, running.catch(() => undefined), limit]);
  late.abort();
  if (how === 'late') log.warn({}, 'nobody says whether this host is drained; it takes VMs');
}

function factsOf(options: WorkerOptions, slots: number, { availableBytes }: HostMemory): HostFacts {
  return {
    labels: options.labels,
    slots,
    version: packageVersion(),
    targetDirectory: options.defaultTargetDirectory,
    stateDirectory: options.stateDir,
    libvirtUri: options.libvirtUri,
    memoryBytes: availableBytes,
  };
}

const placementHost = (
  { hostId, labels, defaultTargetDirectory }: WorkerOptions,
  slots: number,
  { running, placed }: HostPlane,
  { isDrained }: HostDesk,
): PlacementHost => ({
  ...{ hostId, labels, slots, targetDirectory: defaultTargetDirectory },
  ...{ running, placed, isDrained },
});

const loadOf = ({ running, placed }: HostPlane) => ({
  busy: running(),
  placed: placed.waiting,
  promisedBytes: placed.promised().bytes,
});

/** Closes one after another. What cannot be closed must not hide why the worker ends. */
async function closeAll(closes: readonly (() => Promise<void>)[], log: Logger): Promise<void> {
  for (const close of closes) {
    await close().catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, 'a part of the worker could not be closed');
    });
  }
}

async function connect({ temporal }: WorkerOptions) {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ ...temporal.connection, connectTimeout: '10 seconds' });
    const native = await NativeConnection.connect(temporal.connection);
    await ensureSearchAttributes(connection, temporal.namespace);
    const client = new Client({ connection, namespace: temporal.namespace });
    const opened = connection;
    const close = async () => {
      await native.close();
      await opened.close();
    };
    return { native, client, close };
  } catch (error) {
    await connection?.close();
    if (error instanceof LonghaulError) throw error;
    throw new LonghaulError(
      'TEMPORAL_UNREACHABLE',
      {
        found: `no answer from ${temporal.address}, namespace ${temporal.namespace}: ${messageOf(error)}`,
        remedy: 'Start `longhaul up`, or point TEMPORAL_ADDRESS or a profile at your Temporal cluster.',
      },
      error,
    );
  }
}

async function signalProgress(
  client: Client,
  workflowId: string,
  runId: string,
  progress: StepProgress,
): Promise<void> {
  // By name: importing the definition would load the workflow SDK into this process.
  await client.workflow.getHandle(workflowId, runId).signal<[StepProgress]>('step-progress', progress);
}
