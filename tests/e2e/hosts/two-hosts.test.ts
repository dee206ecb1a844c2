import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationReport } from '../../../contracts/steps.ts';
import type { HostView } from '../../../client/hosts.ts';
import { startTemporal, type TemporalServer } from '../../chaos/temporal-server.ts';
import { run } from '../../guests/lib/run.ts';
import { LonghaulProcess } from '../../support/longhaul-process.ts';
import { RangeServer } from '../../support/range-server.ts';
import { Wire } from '../../support/wire.ts';
import { runLonghaul, type Ran } from '../cli/cli-bench.ts';

const mebibyte = 2 ** 20;
/** A host that was cut off seems to wait for tasks for a minute, and may take some along until its last second. */
const patienceMs = 180_000;
const name = `two-hosts-${randomBytes(3).toString('hex')}`;

/** A KVM host in a network of its own, with directories of its own. */
class WiredHost {
  readonly hostId: string;
  readonly labels: string;
  readonly directory: string;
  readonly index: number;
  readonly #command: string[];
  readonly #address: string;
  worker: LonghaulProcess | undefined;

  constructor(
    hostId: string,
    labels: string,
    place: { directory: string; index: number; command: string[]; address: string },
  ) {
    this.hostId = hostId;
    this.labels = labels;
    this.directory = place.directory;
    this.index = place.index;
    this.#command = place.command;
    this.#address = place.address;
  }

  get targetDir(): string {
    return join(this.directory, 'target');
  }

  start(): void {
    this.worker = new LonghaulProcess(
      ['worker'],
      {
        TEMPORAL_ADDRESS: this.#address,
        LONGHAUL_HOST_ID: this.hostId,
        LONGHAUL_LABELS: this.labels,
        LONGHAUL_STATE_DIR: join(this.directory, 'state'),
        LONGHAUL_TARGET_DIR: this.targetDir,
        LONGHAUL_ACCELERATION: 'tcg',
        LONGHAUL_SLOTS: '2',
      },
      { within: this.#command },
    );
  }

  /** What runs have on it besides what is kept. */
  async leftovers(): Promise<string[]> {
    const names = await readdir(join(this.directory, 'state', 'migrations'), { recursive: true });
    return names.filter((each) => /\/(work|ledger|fetched)$/.test(each));
  }
}

let directory: string;
let temporal: TemporalServer;
let images: RangeServer;
let wire: Wire;
let one: WiredHost;
let two: WiredHost;
let imageUrl: string;
/** Range requests that are not answered until it is called. */
let release = () => {};

beforeAll(async () => {
  directory = await mkdtemp('/var/tmp/longhaul-hosts-');
  await chmod(directory, 0o711);
  temporal = await startTemporal(join(directory, 'server'));
  images = await RangeServer.start(randomBytes(16 * mebibyte));
  wire = await Wire.create();
  const address = await wire.forward(Number(temporal.address.split(':')[1]));
  imageUrl = `http://${await wire.forward(Number(images.url.port))}/web01.raw`;
  const host = async (hostId: string, labels: string) => {
    const own = join(directory, hostId);
    await mkdir(join(own, 'target'), { recursive: true, mode: 0o711 });
    return new WiredHost(hostId, labels, { directory: own, address, ...(await wire.join()) });
  };
  one = await host('kvm1', 'ssd,zone=a');
  two = await host('kvm2', 'zone=b');
  one.start();
  two.start();
});

afterAll(async () => {
  release();
  await Promise.all([one.worker?.kill(), two.worker?.kill()]);
  await wire.remove();
  await images.close();
  await temporal.stop();
  for (const vm of ['a', 'b', 'c', 'd'])
    await run('virsh', ['--connect', 'qemu:///system', 'undefine', `${name}-${vm}`], {
      acceptExitCodes: [1],
    });
  await rm(directory, { recursive: true });
});

const longhaul = (...args: string[]): Promise<Ran> =>
  runLonghaul(args, { env: { TEMPORAL_ADDRESS: temporal.address } });

async function hosts(): Promise<HostView[]> {
  const { stdout } = await longhaul('host', 'list', '--json');
  return JSON.parse(stdout) as HostView[];
}

const hostNamed = async (hostId: string) => (await hosts()).find((each) => each.hostId === hostId);

async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(answer)}`);
    await sleep(500);
  }
}

/** Starts the migration of the disk on the web server, which needs nothing but to be fetched and written. */
const migrate = (vm: string, ...options: string[]) =>
  longhaul(
    'migrate',
    imageUrl,
    '--name',
    vm,
    '--no-verify-boot',
    '--no-wait',
    '--set',
    'guest.fix=false',
    ...options,
  );

async function reportOf(vm: string): Promise<MigrationReport> {
  await until(
    () => longhaul('status', vm, '--json'),
    ({ stdout }) => /"status": "(completed|failed|parked)"/.test(stdout),
  );
  return JSON.parse((await longhaul('report', vm, '--json')).stdout) as MigrationReport;
}

describe('two hosts in networks of their own', () => {
  it('are listed with what they are like, and take VMs by label', async () => {
    await until(hosts, (all) => all.length === 2 && all.every(({ pulse }) => pulse !== undefined));
    const { stdout } = await longhaul('host', 'list');
    expect(stdout).toMatch(/^kvm1 +ready +0 of 2 +0 +\S+ [KMGT]iB +ssd zone=a +\d/m);
    expect(stdout).toMatch(/^kvm2 +ready +0 of 2 +0 +\S+ [KMGT]iB +zone=b +\d/m);

    await migrate(`${name}-a`, '--label', 'zone=b');
    expect(await reportOf(`${name}-a`)).toMatchObject({ status: 'completed', hostId: 'kvm2' });
  });

  it('take none that names them while they are drained, with nothing changed', async () => {
    expect((await longhaul('host', 'drain', 'kvm2')).stdout).toBe('kvm2 takes no more VMs\n');
    await migrate(`${name}-b`, '--host', 'kvm2');
    expect(await reportOf(`${name}-b`)).toMatchObject({
      status: 'parked',
      failure: { code: 'HOST_DRAINED' },
    });
    expect(await readdir(two.targetDir)).toEqual([`${name}-a-disk1.qcow2`]);
    expect((await longhaul('host', 'undrain', 'kvm2')).stdout).toBe('kvm2 takes VMs again\n');
    await longhaul('retry', `${name}-b`);
    expect(await reportOf(`${name}-b`)).toMatchObject({ status: 'completed', hostId: 'kvm2' });
  });

  it('wait for one another no longer than an operator wants, when a worker is killed', async () => {
    const vm = `${name}-c`;
    await migrateUntilFetching(vm);
    await one.worker?.kill();
    await wire.cut(one.index);

    const status = await untilWaiting(vm);
    expect(status).toMatch(/waits for kvm1, gone since \d{4}-\d\d-\d\d \d\d:\d\dZ/);
    expect(status).toContain(`longhaul reassign migrate-image-${vm}`);
    expect((await longhaul('list')).stdout).toMatch(new RegExp(`^${vm} +waits for host`, 'm'));
    expect(await hostNamed('kvm1')).toMatchObject({ state: 'gone', underWay: 1 });

    const moved = await longhaul('reassign', vm, '--label', 'zone=b');
    expect([moved.code, moved.stdout]).toEqual([
      0,
      expect.stringMatching(/begins again elsewhere, no longer on kvm1/),
    ]);
    release();
    const report = await reportOf(vm);
    expect(report).toMatchObject({ status: 'completed', hostId: 'kvm2' });
    expect(report.kept).toEqual(['on kvm1: what was begun there, until that host is back']);
    expect(await one.leftovers()).not.toEqual([]);
    expect(await hostNamed('kvm1')).toMatchObject({ state: 'gone', underWay: 0, leftovers: 1 });

    await wire.mend(one.index);
    one.start();
    await expectCleaned(vm);
  });

  it('do each other no harm when one was cut off alone, and goes on with what it was at', async () => {
    const vm = `${name}-d`;
    await migrateUntilFetching(vm);
    await wire.cut(one.index);
    await untilWaiting(vm);
    expect(await longhaul('reassign', vm, '--host', 'kvm2')).toMatchObject({ code: 0 });
    await until(
      () => longhaul('status', vm, '--json'),
      ({ stdout }) => stdout.includes('"hostId": "kvm2"'),
    );
    await wire.mend(one.index);
    release();
    expect(await reportOf(vm)).toMatchObject({ status: 'completed', hostId: 'kvm2' });
    await expectCleaned(vm);
  });
});

/** Starts a migration on the first host, and leaves it in the middle of its download until `release`. */
async function migrateUntilFetching(vm: string): Promise<void> {
  const held = new Promise<void>((resolve) => (release = resolve));
  const begun = images.asked;
  images.misbehave = async ({ count }) => {
    if (count > begun + 2) await held;
    return false;
  };
  await until(
    () => hostNamed('kvm1'),
    (host) => host?.pulse !== undefined,
  );
  await migrate(vm, '--label', 'ssd');
  await until(
    () => Promise.resolve(images.asked),
    (asked) => asked > begun + 2,
  );
}

/** What `longhaul status` shows once it waits for the first host. */
async function untilWaiting(vm: string): Promise<string> {
  const { stdout } = await until(
    () => longhaul('status', vm),
    (status) => status.stdout.includes('waits for kvm1'),
  );
  return stdout;
}

/** The first host is back and has nothing of the VM; the second has all of it. */
async function expectCleaned(vm: string): Promise<void> {
  await until(
    () => hostNamed('kvm1'),
    (host) => host?.state === 'ready' && host.leftovers === 0,
  );
  expect(await one.leftovers()).toEqual([]);
  expect(await readdir(one.targetDir)).toEqual([]);
  expect(await readdir(two.targetDir)).toContain(`${vm}-disk1.qcow2`);
  const { stdout: domain } = await run('virsh', ['--connect', 'qemu:///system', 'dumpxml', vm]);
  expect(domain).toContain(two.targetDir);
}
