import { messageOf } from '../../contracts/errors.ts';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { socketDirectoryOf } from '../../activities/guest/session/socket-directory.ts';
import { migrationIdOf } from '../../contracts/ids.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { migrationSpec, type MigrationSpecInput } from '../../contracts/spec.ts';
import type { MigrationInput, MigrationReport } from '../../contracts/steps.ts';
import { run } from '../guests/lib/run.ts';
import { descendantsOf, LonghaulProcess, processes } from '../support/longhaul-process.ts';

/** Pending activities that a worker has; temporal.api.enums.v1.PendingActivityState. */
const started = 2;

/** A step that a worker runs, as the server sees it; it stays so for a heartbeat timeout after a kill. */
export interface RunningActivity {
  name: string;
  attempt: number;
  /** Process id of the worker that has it. */
  workerPid: number;
}

/** A KVM host of a test: its directories, the processes started on it, and what they left. */
export class Site {
  readonly hostId = `chaos-${randomBytes(3).toString('hex')}`;
  readonly directory: string;
  readonly targetDir: string;
  readonly #stateDir: string;
  readonly #processes: LonghaulProcess[] = [];
  /** Socket directories that appliances of killed processes had. */
  readonly #sockets = new Set<string>();

  private constructor(directory: string) {
    this.directory = directory;
    this.targetDir = join(directory, 'target');
    this.#stateDir = join(directory, 'state');
  }

  /** Below /var/tmp, where QEMU's own user gets at the disks. */
  static async create(): Promise<Site> {
    const site = new Site(await mkdtemp('/var/tmp/longhaul-chaos-'));
    await chmod(site.directory, 0o711);
    await mkdir(site.targetDir, { mode: 0o711 });
    return site;
  }

  /** @param main of another version, in place of the one that was built here */
  worker(address: string, env: Readonly<Record<string, string>> = {}, main?: string): LonghaulProcess {
    return this.#start(['worker'], { ...env, TEMPORAL_ADDRESS: address }, main);
  }

  up(port: string): LonghaulProcess {
    return this.#start(['up', '--port', port, '--ui-port', '0', '--json'], {});
  }

  #start(args: readonly string[], env: Record<string, string>, main?: string): LonghaulProcess {
    const settings = {
      ...env,
      LONGHAUL_STATE_DIR: this.#stateDir,
      LONGHAUL_TARGET_DIR: this.targetDir,
      LONGHAUL_HOST_ID: this.hostId,
      LONGHAUL_ACCELERATION: 'tcg',
    };
    const started = new LonghaulProcess(args, settings, main === undefined ? {} : { main });
    this.#processes.push(started);
    return started;
  }

  /** Kills a process; what outlived it is what this returns, and what it had open is remembered. */
  async kill(victim: LonghaulProcess): Promise<string[]> {
    for (const { pid } of descendantsOf(victim.pid)) {
      const sockets = socketDirectoryOf(pid);
      if (sockets !== undefined) this.#sockets.add(sockets);
    }
    return victim.kill();
  }

  /** Starts the migration of an image onto this host; a worker that was killed is noticed within seconds. */
  async migrate(
    client: Client,
    image: string,
    policy: MigrationSpecInput['policy'],
    more: Pick<MigrationSpecInput, 'guest' | 'target'> = {},
  ): Promise<WorkflowHandle> {
    // The same card every time, as its address goes into the guest's files.
    const nics = [{ mac: '52:54:00:c4:a0:05' }];
    return this.migrateFrom(client, {
      ...more,
      source: { kind: 'image', disks: [image], nics, cpus: 1, memoryMiB: 512 },
      policy,
    });
  }

  /** The same from any source. */
  async migrateFrom(
    client: Client,
    { policy, ...more }: Omit<MigrationSpecInput, 'name'>,
  ): Promise<WorkflowHandle> {
    const spec = migrationSpec.parse({
      name: this.hostId,
      ...more,
      target: { host: this.hostId, ...more.target },
      policy: { onFailure: 'fail', ...policy },
    });
    return client.workflow.start<(input: MigrationInput) => Promise<MigrationReport>>('migrateVm', {
      workflowId: migrationIdOf(spec),
      taskQueue: workflowTaskQueue,
      args: [{ spec, tuning: { heartbeatTimeoutSeconds: 5, retryInitialSeconds: 0.5 } }],
    });
  }

  /** What of a disk that is being fetched is on this host: offsets of the chunks that are noted. */
  async fetchedChunks(): Promise<number[]> {
    const names = await readdir(this.#stateDir, { recursive: true });
    const journal = names.find((name) => name.endsWith('/fetched/disk0.journal'));
    if (journal === undefined) return [];
    const text = await readFile(join(this.#stateDir, journal), 'utf8');
    return [...text.matchAll(/"offset":(\d+)/g)].map(([, offset]) => Number(offset));
  }

  /** Names of the disks, and of anything else but the kept reports, that migrations left on this host. */
  async left(): Promise<{ disks: string[]; domains: string[]; leftovers: string[] }> {
    const targets = await readdir(this.targetDir);
    const state = await readdir(join(this.#stateDir, 'migrations'), { recursive: true });
    const domains = await this.#domains();
    return {
      disks: targets.filter((name) => !name.startsWith('.')),
      domains: domains.filter((name) => !name.startsWith('longhaul-boot-')),
      leftovers: [
        ...targets.filter((name) => name.startsWith('.')),
        ...state.filter((name) => /\/(work|ledger|fetched)$/.test(name)),
        ...domains.filter((name) => name.startsWith('longhaul-boot-')),
        ...processes()
          .filter(({ command }) => command.includes(this.directory))
          .map(({ pid, command }) => `${pid} ${command}`),
        ...(await existing([...this.#sockets])),
      ],
    };
  }

  /** Domains that bear this site's directory in their definition. */
  async #domains(): Promise<string[]> {
    const { stdout } = await run('virsh', ['--connect', 'qemu:///system', 'list', '--all', '--name']);
    const ours: string[] = [];
    for (const name of stdout.split('\n').filter((line) => line !== '')) {
      // Somebody else's may end while we look.
      const xml = await run('virsh', ['--connect', 'qemu:///system', 'dumpxml', name], {
        acceptExitCodes: [1],
      });
      if (xml.stdout.includes(this.directory)) ours.push(name);
    }
    return ours;
  }

  /** Stops everything in order; the host is then as at the end of a day's work. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((started) => started.stop()));
  }

  /** Removes all that is of this site, whatever state a failed test left it in. */
  async remove(): Promise<void> {
    await Promise.all(this.#processes.map((started) => started.kill()));
    for (const name of await this.#domains()) {
      const virsh = (command: string[]) =>
        run('virsh', ['--connect', 'qemu:///system', ...command], { acceptExitCodes: [1] });
      if (name.startsWith('longhaul-boot-')) await virsh(['destroy', name]);
      else await virsh(['undefine', '--nvram', name]);
    }
    await rm(this.directory, { recursive: true });
  }
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map((path) =>
      readdir(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, index) => found[index]);
}

/** The activity that a worker runs now; 'ended' when the migration has. Waits while the server is away. */
export async function runningActivity(
  handle: WorkflowHandle,
): Promise<RunningActivity | 'ended' | undefined> {
  for (;;) {
    try {
      const { status, raw } = await handle.describe();
      if (status.name !== 'RUNNING') return 'ended';
      const pending = raw.pendingActivities?.find(({ state }) => Number(state) === started);
      if (!pending) return undefined;
      return {
        name: pending.activityType?.name ?? '',
        attempt: pending.attempt ?? 0,
        workerPid: Number(pending.lastWorkerIdentity?.split('/')[1]),
      };
    } catch (error) {
      if (
        !(error instanceof Error) ||
        !/UNAVAILABLE|DEADLINE|shutting down|Failed to/i.test(messageOf(error))
      )
        throw error;
      await sleep(200);
    }
  }
}

/** Waits until a worker has run the activity for a while: it is then in the middle of its work. */
export async function untilInside(
  handle: WorkflowHandle,
  name: string,
  insideMs: number,
): Promise<RunningActivity> {
  for (;;) {
    const running = await runningActivity(handle);
    if (running === 'ended') throw new Error(`the migration ended before ${name} was seen`);
    if (running?.name === name) {
      await sleep(insideMs);
      return running;
    }
    await sleep(50);
  }
}
