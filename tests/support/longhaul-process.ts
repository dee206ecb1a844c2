import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { limitedCommand } from '../../activities/host/tool.ts';

const mainPath = fileURLToPath(new URL('../../dist/client/main.js', import.meta.url));
/** Children are killed by the kernel with their parent; on a busy machine their end takes a moment. */
const deathMs = 10_000;

/** The built program as a long-lived process of its own: `longhaul up`, `longhaul worker`. */
export class LonghaulProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #printed = '';

  /**
   * Starts `longhaul ARGS` with only these variables besides what any program needs; it dies with the test.
   *
   * @param within a command that runs the one behind it, in its own place
   * @param main another version of the program
   */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    { within = [], main = mainPath }: { within?: readonly string[]; main?: string } = {},
  ) {
    const [program = '', ...rest] = [...within, process.execPath, main, ...args];
    const [command, commandArgs] = limitedCommand(program, rest, {});
    const passed = ['PATH', 'HOME', 'XDG_CACHE_HOME'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
    this.#child = spawn(command, commandArgs, {
      env: { ...(Object.fromEntries(passed) as Record<string, string>), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = this.#child.pid ?? -1;
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#printed += chunk.toString()));
  }

  /** All it has printed, both streams as they came. */
  get printed(): string {
    return this.#printed;
  }

  /** Waits until it has printed what matches. Rejects with its last words when it ends before. */
  async untilPrinted(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#printed);
      if (match) return match;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`longhaul ended: ${this.#printed.slice(-2000)}`);
      await sleep(50);
    }
  }

  /**
   * SIGKILL, as the kernel does it when memory runs out.
   *
   * @returns the command lines of children and grandchildren that outlived it by more than a moment.
   */
  async kill(): Promise<string[]> {
    const family = descendantsOf(this.pid);
    this.#child.kill('SIGKILL');
    await this.#ended;
    const deadline = Date.now() + deathMs;
    while (family.some(isAlive) && Date.now() < deadline) await sleep(50);
    return family.filter(isAlive).map(({ pid, command }) => `${pid} ${command}`);
  }

  /** Stops every thread of it, as on a host that hangs. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGTERM, and waits for its end. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

interface FoundProcess {
  pid: number;
  parent: number;
  /** Clock ticks since boot: tells a process from a later one with its pid. */
  startTicks: string;
  command: string;
}

/** Every process that has this one above it. */
export function descendantsOf(pid: number): FoundProcess[] {
  const all = processes();
  const below = (parent: number): FoundProcess[] =>
    all.filter((child) => child.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** Every process that runs now; proc(5). Those that have ended and wait to be noticed are left out. */
export function processes(): FoundProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const found = /^\d+$/.test(name) ? processOf(Number(name)) : undefined;
    return found ? [found] : [];
  });
}

function processOf(pid: number): FoundProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the fields after it are numbered from 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent, startTicks] = [fields[0], fields[1], fields[19]];
    if (state === 'Z' || state === 'X' || parent === undefined || startTicks === undefined) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), startTicks, command };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

const isAlive = ({ pid, startTicks }: FoundProcess): boolean => processOf(pid)?.startTicks === startTicks;
