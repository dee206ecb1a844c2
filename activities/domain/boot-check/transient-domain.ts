import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { LonghaulError } from '../../../contracts/errors.ts';
import { pause } from '../../host/pause.ts';
import type { Virsh } from '../../host/libvirt.ts';
import { limitedCommand } from '../../host/tool.ts';

const startMs = 120_000;
const pollMs = 100;
const killGraceMs = 5_000;

/**
 * A running domain that lives no longer than this process: a virsh(1) that we hold open created it with
 * `--autodestroy`. It dies with us, and libvirt ends the domain when its connection closes.
 */
export class TransientDomain {
  readonly uuid: string;
  readonly #virsh: Virsh;
  readonly #holder: ChildProcess;

  private constructor(uuid: string, virsh: Virsh, holder: ChildProcess) {
    this.uuid = uuid;
    this.#virsh = virsh;
    this.#holder = holder;
  }

  /**
   * Starts the domain that the file `xmlName` in `directory` defines. The name goes into a virsh command line:
   * it must need no quotes.
   *
   * @throws LonghaulError DOMAIN_DEFINE_FAILED with libvirt's words when it does not start; on abort, the
   *   signal's reason.
   */
  static async start(
    virsh: Virsh,
    uuid: string,
    definition: { directory: string; xmlName: string },
    signal: AbortSignal,
  ): Promise<TransientDomain> {
    const [command, args] = limitedCommand('virsh', [`--connect=${virsh.uri}`], {});
    const holder = spawn(command, args, {
      cwd: definition.directory,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const domain = new TransientDomain(uuid, virsh, holder);
    try {
      await created(holder, definition.xmlName, signal);
      return domain;
    } catch (error) {
      await domain.end();
      throw error;
    }
  }

  /** Ends the domain at once. Idempotent; works after an abort too, so it takes no signal. */
  async end(): Promise<void> {
    // Closing the connection is what destroys it; asking first gives a definite moment when it is gone.
    await this.#virsh.destroy(this.uuid).catch(() => undefined);
    this.#holder.stdin?.end();
    // One that could not be started will never exit.
    if (this.#holder.pid === undefined) return;
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const exited = once(this.#holder, 'exit');
    this.#holder.kill('SIGTERM');
    const killTimer = setTimeout(() => this.#holder.kill('SIGKILL'), killGraceMs);
    await exited;
    clearTimeout(killTimer);
  }
}

/** Tells virsh to create the domain, and waits for its answer. */
async function created(holder: ChildProcess, xmlName: string, signal: AbortSignal): Promise<void> {
  const errors: string[] = [];
  let answer: 'created' | 'refused' | undefined;
  const answered = () => answer;
  const listen = (stream: NodeJS.ReadableStream | null, take: (line: string) => void) => {
    if (stream) createInterface({ input: stream }).on('line', take);
  };
  listen(holder.stdout, (line) => {
    if (/Domain '.*' created from/.test(line)) answer = 'created';
  });
  const refuse = (line: string) => {
    errors.push(line.replace(/^error: /, ''));
    answer ??= 'refused';
  };
  listen(holder.stderr, refuse);
  holder.once('error', (error) => refuse(error.message));
  holder.once('close', () => (answer ??= 'refused'));
  // A virsh that ends without reading is judged by what it said.
  holder.stdin?.on('error', () => undefined);
  holder.stdin?.write(`create --file ${xmlName} --autodestroy\n`);

  const deadline = performance.now() + startMs;
  while (answered() === undefined && performance.now() < deadline) await pause(pollMs, signal);
  // virsh complains in more than one line.
  if (answered() !== 'created') await pause(pollMs, signal);
  if (answered() === 'created') return;
  throw new LonghaulError('DOMAIN_DEFINE_FAILED', {
    found: `libvirt did not start the clone for the boot check: ${errors.slice(-5).join(' | ') || 'it said nothing'}`,
    remedy: "The message is libvirt's own; mend what it names and retry, or skip the boot check.",
  });
}
