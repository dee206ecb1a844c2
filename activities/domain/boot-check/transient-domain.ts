import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Virsh } from '../../host/libvirt.ts';
import { limitedCommand } from '../../host/tool.ts';

const startMs = 120_000;
const pollMs = 100;

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
   * Starts a domain. `xmlPath` must not need quoting by virsh's command line.
   *
   * @throws LonghaulError DOMAIN_DEFINE_FAILED with libvirt's words when it does not start; on abort, the
   *   signal's reason.
   */
  static async start(
    virsh: Virsh,
    uuid: string,
    xmlPath: string,
    signal: AbortSignal,
  ): Promise<TransientDomain> {
    const [command, args] = limitedCommand('virsh', [`--connect=${virsh.uri}`], {});
    const holder = spawn(command, args, {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const domain = new TransientDomain(uuid, virsh, holder);
    try {
      await created(holder, xmlPath, signal);
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
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const exited = once(this.#holder, 'exit');
    this.#holder.kill('SIGTERM');
    await exited;
  }
}

async function created(holder: ChildProcess, xmlPath: string, signal: AbortSignal): Promise<void> {
  const said = { created: false, errors: [] as string[], ended: false };
  const listen = (stream: NodeJS.ReadableStream | null, take: (line: string) => void) => {
    if (stream) createInterface({ input: stream }).on('line', take);
  };
  listen(holder.stdout, (line) => (said.created ||= /Domain '.*' created from/.test(line)));
  listen(holder.stderr, (line) => said.errors.push(line.replace(/^error: /, '')));
  holder.once('error', (error) => {
    said.errors.push(error.message);
    said.ended = true;
  });
  holder.once('exit', () => (said.ended = true));
  holder.stdin?.on('error', () => undefined);
  holder.stdin?.write(`create --file ${xmlPath} --autodestroy\n`);

  const deadline = performance.now() + startMs;
  while (!said.created) {
    await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    // virsh says more than one line; by now they are all here.
    if (said.errors.length === 0 && !said.ended && performance.now() < deadline) continue;
    if (said.created) break;
    throw new LonghaulError('DOMAIN_DEFINE_FAILED', {
      found: `libvirt did not start the clone for the boot check: ${said.errors.slice(-5).join(' | ') || 'it said nothing'}`,
      remedy: "The message is libvirt's own; mend what it names and retry, or skip the boot check.",
    });
  }
}
