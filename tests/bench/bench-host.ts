import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../guests/lib/run.ts';
import { LonghaulProcess } from '../support/longhaul-process.ts';

const mainPath = fileURLToPath(new URL('../../dist/client/main.js', import.meta.url));

/** `longhaul up` as an operator has it running, and migrations started from the command line. */
export class BenchHost {
  readonly #directory: string;
  readonly #up: LonghaulProcess;
  readonly #address: string;

  private constructor(directory: string, up: LonghaulProcess, address: string) {
    this.#directory = directory;
    this.#up = up;
    this.#address = address;
  }

  /** @param directory an absolute path that QEMU's own user can get to; it is made. */
  static async start(directory: string): Promise<BenchHost> {
    const target = join(directory, 'target');
    await mkdir(target, { recursive: true, mode: 0o711 });
    await chmod(directory, 0o711);
    const up = new LonghaulProcess(['up', '--port', '0', '--ui-port', '0', '--json'], {
      LONGHAUL_STATE_DIR: join(directory, 'state'),
      LONGHAUL_TARGET_DIR: target,
      LONGHAUL_ACCELERATION: 'tcg',
    });
    const [, address = ''] = await up.untilPrinted(/"address":"([^"]+)"/);
    await up.untilPrinted(/polls/);
    return new BenchHost(directory, up, address);
  }

  /** Process that runs the worker. */
  get pid(): number {
    return this.#up.pid;
  }

  /** Migrates images as one VM and waits for the end; then removes domain and disks. */
  async migrate(name: string, images: readonly string[], options: readonly string[]): Promise<void> {
    const args = ['migrate', ...images, '--name', name, '--on-failure', 'fail', '--again', '--wait'];
    await run(process.execPath, [mainPath, ...args, ...options], {
      env: { TEMPORAL_ADDRESS: this.#address },
      wallMs: 3_600_000,
    });
  }

  /** Removes what a migration brought, so that the next one of that name has the place. */
  async remove(name: string): Promise<void> {
    await run('virsh', ['--connect', 'qemu:///system', 'undefine', '--nvram', name]);
    const target = join(this.#directory, 'target');
    await rm(target, { recursive: true });
    await mkdir(target, { mode: 0o711 });
  }

  async stop(): Promise<void> {
    await this.#up.stop();
    await rm(this.#directory, { recursive: true });
  }
}
