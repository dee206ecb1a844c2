import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import {
  type ExistingServerTestWorkflowEnvironmentOptions,
  TestWorkflowEnvironment,
} from '@temporalio/testing';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { DeskActivities } from '../../contracts/hosts.ts';
import { createSecretResolver } from '../../activities/host/secrets.ts';
import { migrationInput } from '../../contracts/migration-start.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { migrationSpec, type MigrationSpec, type MigrationSpecInput } from '../../contracts/spec.ts';
import type { MigrationView, Resolution, Tuning } from '../../contracts/steps.ts';
import { createFleetActivities } from '../../workers/fleet-activities.ts';
import { createHostWorkers, createPlacementWorkers } from '../../workers/host-queues.ts';
import { createInventoryActivities } from '../../workers/inventory-activities.ts';
import { ensureSearchAttributes } from '../../workers/search-attributes.ts';
import { maxCachedWorkflows, workflowCode } from '../../workers/workflow-bundle.ts';
import { scriptedHost, type Script, type ScriptedHost } from './scripted-host.ts';
import { temporalInMemory } from './temporal.ts';

/** Where a server of one's own is, and how it lets one in. */
export type ExistingServer = Required<
  Pick<ExistingServerTestWorkflowEnvironmentOptions, 'address' | 'namespace' | 'connectionOptions'>
>;

export interface ControlPlane {
  environment: TestWorkflowEnvironment;
  /** Runs `test` against a migration on a host of its own whose activities follow `script`. */
  migrating(
    script: Script,
    spec: Partial<MigrationSpecInput>,
    test: (handle: WorkflowHandle, calls: string[]) => Promise<void>,
  ): Promise<void>;
  /** A host whose activities follow `script`, for tests of more than one migration. */
  host(script?: Script, slots?: number): Promise<TestHost>;
  stop(): Promise<void>;
}

export interface TestHost {
  hostId: string;
  /** Names of the activities in the order they were called. */
  calls: string[];
  /** Ids of the runs that they were called for. */
  runIds: string[];
  /** Its workers are gone, and what they were at. */
  lose(): Promise<void>;
  comeBack(): Promise<void>;
  /** Starts a migration on this host. */
  start(spec?: Partial<MigrationSpecInput>, more?: Tuning): Promise<WorkflowHandle>;
  /** Ends what was started here and still runs, then the host. */
  stop(): Promise<void>;
}

/**
 * A real Temporal server with the real workflows, and hosts whose activities are scripted.
 *
 * @param server one that runs already, with a namespace that is set up; else one is started
 */
export async function startControlPlane(server?: ExistingServer): Promise<ControlPlane> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const environment = await (server
    ? TestWorkflowEnvironment.createFromExistingServer(server)
    : startServer());
  const stopWorkflows = runWorkers([
    await Worker.create({
      connection: environment.nativeConnection,
      namespace: namespaceOf(environment),
      shutdownGraceTime: 0,
      taskQueue: workflowTaskQueue,
      ...workflowCode(),
      maxCachedWorkflows,
    }),
  ]);
  return {
    environment,
    host: (script, slots) => startHost(environment, script, slots),
    migrating: async (script, spec, test) => {
      const host = await startHost(environment, script);
      try {
        await test(await host.start(spec), host.calls);
      } finally {
        await host.stop();
      }
    },
    stop: async () => {
      await stopWorkflows();
      await environment.teardown();
    },
  };
}

async function startServer(): Promise<TestWorkflowEnvironment> {
  const environment = await temporalInMemory();
  await ensureSearchAttributes(environment.connection, namespaceOf(environment));
  return environment;
}

const namespaceOf = ({ namespace = 'default' }: TestWorkflowEnvironment) => namespace;

/** Runs workers; gives what stops them. */
export function runWorkers(workers: readonly Worker[]): () => Promise<void> {
  const running = Promise.all(workers.map((worker) => worker.run()));
  return async () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  };
}

/** Runs the workers of a host whose activities are scripted; gives what stops them. */
export async function runScriptedHost(
  environment: TestWorkflowEnvironment,
  hostId: string,
  { activities, placement }: ScriptedHost,
  { slots = 10, labels = [], desk }: { slots?: number; labels?: string[]; desk?: DeskActivities } = {},
): Promise<() => Promise<void>> {
  // Hosts do not share a process, and two workers of one connection may not share the placement queue.
  const { address, connectionOptions } = environment;
  const connection = await NativeConnection.connect({ address, ...connectionOptions });
  const shared = {
    connection,
    namespace: namespaceOf(environment),
    shutdownGraceTime: 0,
    // A step hears of its cancellation with its next heartbeat.
    maxHeartbeatThrottleInterval: 200,
  };
  const fleet = createFleetActivities(environment.client);
  const sources = { resolveSecret: createSecretResolver({ environment: {} }), azure: {} };
  const inventory = createInventoryActivities(environment.client, sources);
  const queues = {
    ...{ hostId, labels, slots, steps: activities, undo: activities },
    ...{ placement, fleet, inventory, desk },
  };
  const stopWorkers = runWorkers([
    ...(await createHostWorkers(shared, queues)),
    ...(await createPlacementWorkers(shared, queues)),
  ]);
  return async () => {
    await stopWorkers();
    await connection.close();
  };
}

async function startHost(
  environment: TestWorkflowEnvironment,
  script: Script = {},
  slots?: number,
): Promise<TestHost> {
  const hostId = `host-${randomUUID().slice(0, 8)}`;
  const host = scriptedHost(hostId, script);
  const run = () => runScriptedHost(environment, hostId, host, { slots });
  let stopWorkers = await run();
  const started: WorkflowHandle[] = [];
  return {
    hostId,
    calls: host.calls,
    runIds: host.runIds,
    lose: () => stopWorkers(),
    comeBack: async () => {
      stopWorkers = await run();
    },
    start: async (spec = {}, more = {}) => {
      const handle = await environment.client.workflow.start('migrateVm', {
        workflowId: `migrate-image-web01-${randomUUID().slice(0, 8)}`,
        taskQueue: workflowTaskQueue,
        args: [migrationInput(specFor(hostId, spec), { ...tuning, ...more })],
      });
      started.push(handle);
      return handle;
    },
    stop: async () => {
      for (const handle of started) await terminate(handle);
      await stopWorkers();
    },
  };
}

const tuning: Tuning = {
  retryInitialSeconds: 0.05,
  retryMaximumAttempts: 3,
  heartbeatTimeoutSeconds: 5,
};

function specFor(hostId: string, spec: Partial<MigrationSpecInput>): MigrationSpec {
  return migrationSpec.parse({
    name: 'web01',
    source: { kind: 'image', disks: ['/images/web01.qcow2'] },
    ...spec,
    target: { host: hostId, ...spec.target },
  });
}

/** A test that ended early leaves its migration running; one that is over has nothing to terminate. */
async function terminate(handle: WorkflowHandle): Promise<void> {
  await handle.terminate().catch((error: unknown) => {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  });
}

export const view = (handle: WorkflowHandle) => handle.query<MigrationView>('progress');

export const resolve = (handle: WorkflowHandle, resolution: Resolution) =>
  handle.executeUpdate<null, [Resolution]>('resolve', { args: [resolution] });

/** Waits until the migration's view fulfils a condition, for a minute at most. */
export const until = (
  handle: WorkflowHandle,
  condition: (view: MigrationView) => boolean,
): Promise<MigrationView> => askUntil(() => view(handle), condition);

/** Asks until the answer fulfils a condition. */
export async function askUntil<T>(
  ask: () => Promise<T>,
  condition: (answer: T) => boolean,
  seconds = 60,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const now = await ask();
    if (condition(now)) return now;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(now)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
