import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MigrationReport } from '../../contracts/steps.ts';
import { run } from '../guests/lib/run.ts';
import { LonghaulProcess } from './longhaul-process.ts';

const mainPath = fileURLToPath(new URL('../../dist/client/main.js', import.meta.url));
const hourMs = 3_600_000;

/** `longhaul up` as an operator has it running, and migrations started from the command line. */
export class LonghaulHost {
  readonly directory: string;
  readonly targetDir: string;
  readonly #up: LonghaulProcess;
  readonly #address: string;

  private constructor(directory: string, up: LonghaulProcess, address: string) {
    this.directory = directory;
    this.targetDir = join(directory, 'target');
    this.#up = up;
    this.#address = address;
  }

  /** @param directory an absolute path that QEMU's own user can get to; it is made. */
  static async start(directory: string): Promise<LonghaulHost> {
    const target = join(directory, 'target');
    await mkdir(target, { recursive: true, mode: 0o711 });
    await chmod(directory, 0o711);
    const up = new LonghaulProcess(['up', '--port', '0', '--ui-port', '0', '--json'], {
      LONGHAUL_STATE_DIR: join(directory, 'state'),
      LONGHAUL_TARGET_DIR: target,
      LONGHAUL_ACCELERATION: 'tcg',
    });
    const [, address = ''] = await up.untilPrinted(/"address":"([^"]+)"/);
    return new LonghaulHost(directory, up, address);
  }

  /** All that it has printed, its log above all. */
  get printed(): string {
    return this.#up.printed;
  }

  /** Process that runs the worker. */
  get pid(): number {
    return this.#up.pid;
  }

  /**
   * Migrates images as one VM, waits for the end and gives the report.
   *
   * @param acceptExitCodes ends of the command besides 0 with a report that is wanted, 1 for a failed migration
   * @throws LonghaulError TOOL_FAILED with what the command printed when it ends with another code.
   */
  async migrate(
    name: string,
    images: readonly string[],
    options: readonly string[],
    acceptExitCodes: readonly number[] = [],
  ): Promise<MigrationReport> {
    const args = [
      'migrate',
      ...images,
      '--name',
      name,
      '--on-failure',
      'fail',
      '--again',
      '--wait',
      '--json',
    ];
    const { stdout } = await run(process.execPath, [mainPath, ...args, ...options], {
      env: { TEMPORAL_ADDRESS: this.#address },
      wallMs: hourMs,
      acceptExitCodes,
    });
    return JSON.parse(stdout) as MigrationReport;
  }

  /**
   * Removes what a migration brought, so that the next one of that name has the place.
   *
   * @param failed of one that failed, which has undefined the domain itself
   */
  async remove(name: string, { failed = false } = {}): Promise<void> {
    if (!failed) await run('virsh', ['--connect', 'qemu:///system', 'undefine', '--nvram', name]);
    await rm(this.targetDir, { recursive: true });
    await mkdir(this.targetDir, { mode: 0o711 });
  }

  /** What a migrated guest said on its serial port, also when that was not enough; undefined without a boot. */
  async consoleLog({ migrationId }: MigrationReport): Promise<string | undefined> {
    const kept = join(this.directory, 'state', 'migrations', migrationId);
    if (!existsSync(kept)) return undefined;
    const [path] = (await readdir(kept, { recursive: true })).filter((name) => /\/console\.log$/.test(name));
    return path === undefined ? undefined : readFile(join(kept, path), 'latin1');
  }

  /** Ends it in order and removes its directory. */
  async stop(): Promise<void> {
    await this.#up.stop();
    await rm(this.directory, { recursive: true });
  }
}
