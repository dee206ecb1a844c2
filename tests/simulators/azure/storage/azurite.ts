import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { limitedCommand } from '../../../../activities/host/tool.ts';
import type { Account } from './shared-key.ts';

const require = createRequire(import.meta.url);
const program = join(dirname(require.resolve('azurite/package.json')), 'dist/src/blob/main.js');

/** Azurite's blob service as a process of its own. The kernel ends it when this process dies. */
export class Azurite {
  readonly origin: string;
  readonly account: Account;
  readonly #child: ChildProcess;

  private constructor(origin: string, account: Account, child: ChildProcess) {
    this.origin = origin;
    this.account = account;
    this.#child = child;
  }

  /** Starts it on a free port of the loopback interface; with `tls` it speaks HTTPS. */
  static async start(directory: string, tls?: { certPath: string; keyPath: string }): Promise<Azurite> {
    // Accounts of managed disks have names like this one.
    const account = { name: `md-${randomBytes(6).toString('hex')}`, key: randomBytes(64).toString('base64') };
    const args = [
      program,
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', '--location', directory],
      ...['--blobKeepAliveTimeout', '600'],
      ...['--silent', '--skipApiVersionCheck', '--disableTelemetry', '--disableProductStyleUrl'],
      ...(tls ? ['--cert', tls.certPath, '--key', tls.keyPath] : []),
    ];
    const [command, commandArgs] = limitedCommand(process.execPath, args, {});
    const child = spawn(command, commandArgs, {
      cwd: directory,
      env: { PATH: process.env['PATH'], AZURITE_ACCOUNTS: `${account.name}:${account.key}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Azurite(await listening(child), account, child);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'close');
    // Nothing of it is wanted later, so it need not write anything down.
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Waits for the address it says it listens on. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        printed = (printed + chunk.toString()).slice(-4000);
        const [, origin] = /listens on (https?:\/\/[\d.]+:\d+)/.exec(printed) ?? [];
        if (origin !== undefined) resolve(origin);
      });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`Azurite ended: ${printed}`)));
  });
}
