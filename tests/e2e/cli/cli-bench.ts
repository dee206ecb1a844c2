import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/activity';
import type { Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ErrorCode } from '../../../contracts/error-codes.ts';
import { workflowTaskQueue } from '../../../contracts/queues.ts';
import { ensureSearchAttributes } from '../../../workers/search-attributes.ts';
import { workflowCode } from '../../../workers/workflow-bundle.ts';
import { runScriptedHost, runWorkers } from '../../support/control-plane.ts';
import { scriptedHost, type Script, type ScriptedHost } from '../../support/scripted-host.ts';
import { temporalInMemory } from '../../support/temporal.ts';

/** temporal.api.enums.v1.TaskQueueKind, whose package is not one of ours. */
const normalTaskQueue = 1;

const mainPath = fileURLToPath(new URL('../../../client/main.ts', import.meta.url));

/** How a run of the program ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  stdin?: string;
  cwd?: string;
  /** Called with all that was printed so far; the first signal it promises is sent. */
  signalWhen?: (printed: string) => Promise<NodeJS.Signals> | undefined;
}

/** Runs `longhaul ARGS` from source as a process of its own, with an environment of its own. */
export function runLonghaul(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [mainPath, ...args], {
      env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...options.env },
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 180_000,
    });
    let [stdout, stderr, signalled] = ['', '', false];
    const look = () => {
      const signal = signalled ? undefined : options.signalWhen?.(stdout + stderr);
      if (signal === undefined) return;
      signalled = true;
      signal.then((name) => child.kill(name), reject);
    };
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      look();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      look();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(options.stdin ?? '');
  });
}

/** A real server, the real workflows, hosts with scripted steps, and the program pointed at them. */
export interface CliBench {
  address: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** A host that takes migrations for `--host ID`. */
  host(script?: Script): Promise<ScriptedHost & { hostId: string }>;
  /** Stops the worker that runs workflows; the server stays. */
  stopWorkflows(): Promise<void>;
  startWorkflows(): Promise<void>;
  /** Takes updates along as a worker would that is cut off then: so many workflow tasks. */
  takeUpdatesAlong(tasks: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startCliBench(): Promise<CliBench> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const environment = await temporalInMemory();
  await ensureSearchAttributes(environment.connection, 'default');
  let stopWorkflows = () => Promise.resolve();
  const startWorkflows = async () => {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      shutdownGraceTime: 0,
      taskQueue: workflowTaskQueue,
      ...workflowCode(),
    });
    stopWorkflows = runWorkers([worker]);
  };
  await startWorkflows();
  const stops: (() => Promise<void>)[] = [];
  const { address } = environment;
  return {
    address,
    run: (args, options = {}) =>
      runLonghaul(args, { ...options, env: { TEMPORAL_ADDRESS: address, ...options.env } }),
    host: async (script = {}) => {
      const hostId = `host-${randomUUID().slice(0, 8)}`;
      const host = scriptedHost(hostId, script);
      stops.push(await runScriptedHost(environment, hostId, host));
      return { ...host, hostId };
    },
    stopWorkflows: () => stopWorkflows(),
    startWorkflows,
    takeUpdatesAlong: async (tasks) => {
      for (let taken = 0; taken < tasks; taken += 1) await takeUpdate(environment.connection);
    },
    stop: async () => {
      await Promise.all([stopWorkflows(), ...stops.map((stop) => stop())]);
      await environment.teardown();
    },
  };
}

async function takeUpdate(connection: Connection): Promise<void> {
  for (;;) {
    const { messages } = await connection.withDeadline(Date.now() + 90_000, () =>
      connection.workflowService.pollWorkflowTaskQueue({
        namespace: 'default',
        // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
        taskQueue: { name: workflowTaskQueue, kind: normalTaskQueue },
        identity: 'cut off',
      }),
    );
    if (messages.length > 0) return;
  }
}

/** Fails a step the way a worker reports a LonghaulError. */
export function fail(code: ErrorCode, found: string, remedy: string): never {
  throw ApplicationFailure.create({
    message: found,
    type: code,
    nonRetryable: true,
    details: [{ found, remedy }],
  });
}
