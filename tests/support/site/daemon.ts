import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendantsOf } from '../longhaul-process.ts';

export interface DaemonCommand {
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** All it prints is kept here. */
  logPath: string;
  /** The signal that ends it in order. */
  stopSignal: NodeJS.Signals;
}

const readyMs = 120_000;

/** A server of a test that is killed and started again; it dies with the test. */
export class Daemon {
  readonly #command: DaemonCommand;
  readonly #isReady: () => Promise<boolean>;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(command: DaemonCommand, isReady: () => Promise<boolean>) {
    this.#command = command;
    this.#isReady = isReady;
  }

  /** Starts it and waits until it answers. Rejects when it ends before. */
  async start(): Promise<void> {
    const { program, args, env, logPath } = this.#command;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ended = once(child, 'close');
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => appendFileSync(logPath, chunk));
    const deadline = Date.now() + readyMs;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${program} has ended; see ${logPath}`);
      if (Date.now() > deadline) throw new Error(`${program} does not answer; see ${logPath}`);
      await sleep(100);
    }
  }

  /** SIGKILL, to it and all that it started: the host has lost its power. */
  async kill(): Promise<void> {
    const { pid } = this.#child ?? {};
    if (pid === undefined) return;
    const family = descendantsOf(pid);
    this.#child?.kill('SIGKILL');
    for (const child of family) {
      try {
        process.kill(child.pid, 'SIGKILL');
      } catch {
        // It has noticed, and ended by itself.
      }
    }
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#child?.kill(this.#command.stopSignal);
    await this.#ended;
  }
}
