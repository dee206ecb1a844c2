import { spawn, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LonghaulError } from '../../../contracts/errors.ts';
import { limitedCommand } from '../../host/tool.ts';
import { applianceFailed, callFailed } from './call-errors.ts';
import type { Arguments, CallName, Options, Returned } from './calls.ts';
import type { Reply, Request } from './protocol.ts';
import { socketDirectoryOf } from './socket-directory.ts';

/** The child finds programs (qemu, supermin) and nothing else of ours. */
const childEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };
const consoleTailChars = 4096;
const stderrTailChars = 2048;
const startLimitMs = 60_000;
const closeLimitMs = 30_000;

interface PendingCall {
  name: CallName | 'start';
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface CallLimits {
  limitMs: number;
  /** Aborts the call by ending the process: libguestfs calls cannot be interrupted. */
  signal: AbortSignal;
}

/**
 * The process that holds libguestfs, seen from the worker. One call at a time, each under a time limit. It
 * dies with the worker (pdeathsig), and its appliance with it.
 */
export class ApplianceProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<string>;
  private pending: PendingCall | undefined;
  private lastCall: Promise<unknown> = Promise.resolve();
  private gone: string | undefined;
  private consoleTail = '';
  private stderrTail = '';
  private readonly onProgress: (position: number, total: number) => void;
  private sockets: string | undefined;

  private constructor(onProgress: (position: number, total: number) => void) {
    this.onProgress = onProgress;
    // The same kind of file as this one: TypeScript in a checkout, JavaScript when built.
    const entry = fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url));
    const [command, args] = limitedCommand(process.execPath, [entry], {});
    this.child = spawn(command, args, {
      env: childEnv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderrTail = (this.stderrTail + chunk.toString()).slice(-stderrTailChars);
    });
    this.child.on('message', (reply: Reply) => this.receive(reply));
    this.exited = new Promise((resolve) => {
      const end = (how: string) => {
        this.gone ??= how;
        this.settle((call) => call.reject(this.death()));
        resolve(how);
      };
      this.child.once('error', (error) => end(`could not be started: ${error.message}`));
      this.child.once('exit', (code, signal) =>
        end(signal ? `was killed by ${signal}` : `ended with ${code}`),
      );
    });
  }

  /** @throws LonghaulError APPLIANCE_FAILED when the process or libguestfs cannot be loaded. */
  static async start(
    signal: AbortSignal,
    onProgress: (position: number, total: number) => void,
  ): Promise<ApplianceProcess> {
    signal.throwIfAborted();
    const process = new ApplianceProcess(onProgress);
    await process.exchange('start', undefined, { limitMs: startLimitMs, signal });
    return process;
  }

  /** A directory outside the temporary directory that was given; removed by `close`, left by a kill. */
  get socketDirectory(): string | undefined {
    const { pid } = this.child;
    if (this.alive && pid !== undefined) this.sockets ??= socketDirectoryOf(pid);
    return this.sockets;
  }

  get alive(): boolean {
    return this.gone === undefined;
  }

  /** @throws LonghaulError GUESTFS_FAILED, APPLIANCE_FAILED, TOOL_TIMEOUT; on abort the signal's reason. */
  call<Name extends CallName>(
    name: Name,
    args: Arguments<Name>,
    limits: CallLimits,
    options: Options = {},
  ): Promise<Returned<Name>> {
    const turn = this.lastCall.then(() =>
      this.exchange(name, { kind: 'call', name, args, options: { ...options } }, limits),
    );
    this.lastCall = turn.catch(() => undefined);
    // The child converts by the same table that types come from.
    return turn as Promise<Returned<Name>>;
  }

  /** Ends the process and its appliance; never throws. Unsynced guest writes are lost unless shut down before. */
  async close(): Promise<void> {
    await this.lastCall;
    if (this.alive && this.child.connected) {
      const timer = setTimeout(() => this.child.kill('SIGKILL'), closeLimitMs);
      this.post({ kind: 'close' });
      await this.exited;
      clearTimeout(timer);
    }
    await this.removeSockets();
  }

  private async exchange(
    name: CallName | 'start',
    request: Request | undefined,
    limits: CallLimits,
  ): Promise<unknown> {
    limits.signal.throwIfAborted();
    if (!this.alive) throw this.death();
    const answer = new Promise<unknown>((resolve, reject) => {
      this.pending = { name, resolve, reject };
    });
    if (request !== undefined) this.post(request);
    const timer = setTimeout(() => this.kill(timedOut(name, limits.limitMs)), limits.limitMs);
    const abort = () => this.kill(limits.signal.reason);
    limits.signal.addEventListener('abort', abort, { once: true });
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      limits.signal.removeEventListener('abort', abort);
    }
  }

  private post(request: Request): void {
    // A failed send means the child is going down; its exit settles the call.
    this.child.send(request, () => undefined);
  }

  private receive(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        this.settle((call) => call.resolve(undefined));
        return;
      case 'result':
        this.settle((call) => call.resolve(reply.value));
        return;
      case 'error':
        this.settle((call) => call.reject(callFailed(call.name, reply, this.consoleTail)));
        return;
      case 'console':
        this.consoleTail = (this.consoleTail + reply.text).slice(-consoleTailChars);
        return;
      case 'progress':
        this.onProgress(reply.position, reply.total);
        return;
    }
  }

  private settle(how: (call: PendingCall) => void): void {
    const call = this.pending;
    this.pending = undefined;
    if (call !== undefined) how(call);
  }

  private kill(reason: unknown): void {
    // Looked up while it lives, for `close` to remove.
    this.sockets = this.socketDirectory;
    this.child.kill('SIGKILL');
    this.settle((call) => call.reject(reason));
  }

  private death(): LonghaulError {
    const words = this.stderrTail.trim();
    return applianceFailed(
      `the process of the appliance ${this.gone ?? 'is gone'}${words === '' ? '' : `: ${words}`}`,
      this.consoleTail,
    );
  }

  private async removeSockets(): Promise<void> {
    if (this.sockets !== undefined) await rm(this.sockets, { recursive: true, force: true });
  }
}

function timedOut(what: string, limitMs: number): LonghaulError {
  return new LonghaulError('TOOL_TIMEOUT', {
    found: `libguestfs did not finish ${what} within ${Math.round(limitMs / 1000)} s`,
    remedy: 'See whether the host is overloaded or its storage hangs, then retry.',
  });
}
