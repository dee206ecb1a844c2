import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { hostTaskQueue, workflowTaskQueue } from '../../contracts/queues.ts';
import { migrationSpec, type MigrationSpecInput } from '../../contracts/spec.ts';
import type { MigrationView, Resolution } from '../../contracts/steps.ts';
import { resolveEmbeddedOptions } from '../../workers/options.ts';
import { findTemporalBinary } from '../../workers/embedded/temporal-binary.ts';
import { ensureSearchAttributes } from '../../workers/search-attributes.ts';
import { scriptedHost, type Script } from './scripted-host.ts';

export const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

export interface ControlPlane {
  environment: TestWorkflowEnvironment;
  /** Runs `test` against a migration on a host of its own whose activities follow `script`. */
  migrating(
    script: Script,
    spec: Partial<MigrationSpecInput>,
    test: (handle: WorkflowHandle, calls: string[]) => Promise<void>,
  ): Promise<void>;
  stop(): Promise<void>;
}

/** A real Temporal server with the real workflows, and hosts whose activities are scripted. */
export async function startControlPlane(): Promise<ControlPlane> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const { path } = await findTemporalBinary(resolveEmbeddedOptions());
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path } },
  });
  await ensureSearchAttributes(environment.connection, 'default');
  const stopWorkflows = await startWorker(environment, { taskQueue: workflowTaskQueue, workflowsPath });
  return {
    environment,
    migrating: (script, spec, test) => migrating(environment, script, spec, test),
    stop: async () => {
      await stopWorkflows();
      await environment.teardown();
    },
  };
}

/** Starts a worker; gives what stops it. */
async function startWorker(
  environment: TestWorkflowEnvironment,
  options: Omit<WorkerOptions, 'connection'>,
): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    shutdownGraceTime: 0,
    // A step hears of its cancellation with its next heartbeat.
    maxHeartbeatThrottleInterval: 200,
    ...options,
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
  };
}

async function migrating(
  environment: TestWorkflowEnvironment,
  script: Script,
  spec: Partial<MigrationSpecInput>,
  test: (handle: WorkflowHandle, calls: string[]) => Promise<void>,
): Promise<void> {
  const hostId = `host-${randomUUID().slice(0, 8)}`;
  const host = scriptedHost(hostId, script);
  const stop = await startWorker(environment, {
    taskQueue: hostTaskQueue(hostId),
    activities: host.activities,
  });
  const handle = await environment.client.workflow.start('migrateVm', {
    workflowId: `migrate-image-web01-${randomUUID().slice(0, 8)}`,
    taskQueue: workflowTaskQueue,
    args: [
      {
        spec: migrationSpec.parse({
          name: 'web01',
          source: { kind: 'image', disks: ['/images/web01.qcow2'] },
          target: { host: hostId },
          ...spec,
        }),
        tuning: { retryInitialSeconds: 0.05, retryMaximumAttempts: 3, heartbeatTimeoutSeconds: 5 },
      },
    ],
  });
  try {
    await test(handle, host.calls);
  } finally {
    // A test that ended early leaves its migration running; one that is over has nothing to terminate.
    await handle.terminate().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    });
    await stop();
  }
}

export const view = (handle: WorkflowHandle) => handle.query<MigrationView>('progress');

export const resolve = (handle: WorkflowHandle, resolution: Resolution) =>
  handle.executeUpdate<null, [Resolution]>('resolve', { args: [resolution] });

/** Waits until the migration's view fulfils a condition, for 20 s at most. */
export async function until(
  handle: WorkflowHandle,
  condition: (view: MigrationView) => boolean,
): Promise<MigrationView> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const now = await view(handle);
    if (condition(now)) return now;
    if (Date.now() > deadline) throw new Error(`still ${now.status}: ${JSON.stringify(now.steps)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
