import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Virsh } from '../../host/libvirt.ts';
import { baseEnv, limitedCommand } from '../../host/tool.ts';

const startMs = 60_000;

/**
 * A running domain that lives no longer than this process: it is created with autodestroy by a virsh that
 * is kept open and that dies with us, and libvirt ends the domain when that connection closes.
 */
export class TransientDomain {
  readonly name: string;
  private readonly shell: ChildProcess;
  private readonly virsh: Virsh;

  private constructor(name: string, shell: ChildProcess, virsh: Virsh) {
    this.name = name;
    this.shell = shell;
    this.virsh = virsh;
  }

  /** @throws LonghaulError DOMAIN_DEFINE_FAILED with libvirt's own message when it does not start. */
  static async start(
    virsh: Virsh,
    name: string,
    xmlPath: string,
    signal: AbortSignal,
  ): Promise<TransientDomain> {
    const [command, args] = limitedCommand('virsh', ['-c', virsh.uri], {});
    const shell = spawn(command, args, { env: baseEnv, stdio: ['pipe', 'ignore', 'pipe'] });
    const complaints: string[] = [];
    if (shell.stderr) createInterface({ input: shell.stderr }).on('line', (line) => complaints.push(line));
    const domain = new TransientDomain(name, shell, virsh);
    try {
      // virsh splits its input like a shell; the path is ours and JSON quotes are quotes to it.
      shell.stdin?.write(`create --file ${JSON.stringify(xmlPath)} --autodestroy\n`);
      const deadline = Date.now() + startMs;
      while ((await virsh.domainState(name)) !== 'running') {
        signal.throwIfAborted();
        const failure = complaints.filter((line) => line.startsWith('error:'));
        if (failure.length > 0 || shell.exitCode !== null || Date.now() > deadline) {
          throw new LonghaulError('DOMAIN_DEFINE_FAILED', {
            found: `the clone for the boot check did not start: ${failure.join(' | ') || 'libvirt said nothing'}`,
            remedy: "The message is libvirt's own; mend what it names and retry, or skip the boot check.",
          });
        }
        await sleep(200);
      }
      return domain;
    } catch (error) {
      await domain.end();
      throw error;
    }
  }

  /** Ends the domain at once. Idempotent. */
  async end(): Promise<void> {
    try {
      await this.virsh.destroy(this.name);
    } finally {
      this.shell.stdin?.end();
      this.shell.kill('SIGTERM');
      if (this.shell.exitCode === null && this.shell.signalCode === null) await once(this.shell, 'exit');
    }
  }
}
