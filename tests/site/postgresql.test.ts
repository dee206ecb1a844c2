import { mkdir, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VmOutcome } from '../../contracts/batch.ts';
import type { NamespaceSetup } from '../../client/longhaul-client.ts';
import { Site } from '../chaos/site.ts';
import { runLonghaul } from '../e2e/cli/cli-bench.ts';
import { run } from '../guests/lib/run.ts';
import type { LonghaulProcess } from '../support/longhaul-process.ts';
import { startSite, type TemporalSite } from '../support/site/site.ts';
import { untilBatch } from './batch-status.ts';
import { randomFrom, seedOf } from './random.ts';
import { keepResult } from './result.ts';
import { expectDoneOnce } from './histories.ts';

const vms = 60;
/** Times that the database, the server or both are killed. */
const kills = 6;
const diskBytes = 4 * 1024 * 1024;

let site: TemporalSite;
const longhaul = (...args: string[]) => runLonghaul(args, { env: { ...site.env } });

beforeAll(async () => {
  site = await startSite({ ready: false, namespace: 'migrations' });
});
afterAll(() => site.stop());

describe('a site: Temporal on PostgreSQL with mutual TLS, from the files of deploy/', () => {
  it('lets nobody in who has no certificate of its authority', async () => {
    const { TEMPORAL_ADDRESS = '', TEMPORAL_TLS_SERVER_CA_CERT_PATH = '' } = site.env;
    const stranger = await runLonghaul(['list'], {
      env: { TEMPORAL_ADDRESS, TEMPORAL_TLS_SERVER_CA_CERT_PATH },
    });
    expect(stranger.code).toBe(3);
    expect(stranger.stderr).toContain('TEMPORAL_UNREACHABLE');
    const plain = await runLonghaul(['list'], { env: { TEMPORAL_ADDRESS } });
    expect(plain.code).toBe(3);
  });

  it('is set up by one command, which has nothing to do the second time', async () => {
    const before = await longhaul('setup', '--check');
    expect(before.code).toBe(8);
    expect(before.stdout).toMatch(/lacking +namespace migrations/);

    const first = await longhaul('setup', '--retention', '90d');
    expect(first.stderr).toBe('');
    expect(first.stdout).toMatch(/done +namespace migrations +created/);
    expect(first.stdout).toMatch(/done +search attribute LonghaulVm +registered/);
    expect(first.code).toBe(0);

    const second = await longhaul('setup', '--json');
    const { items, complete } = JSON.parse(second.stdout) as NamespaceSetup;
    expect(complete).toBe(true);
    expect(new Set(items.map(({ state }) => state))).toEqual(new Set(['there']));
    expect(items.find(({ thing }) => thing === 'retention')).toMatchObject({ foundHours: 2160 });
    expect((await longhaul('setup', '--check')).code).toBe(0);

    const changed = await longhaul('setup', '--retention', '30d');
    expect(changed.stdout).toMatch(/done +retention +30 d, was 90 d/);
  });

  it(
    'loses nothing of a batch whose database and server are killed in the middle',
    async () => {
      const random = randomFrom(seedOf());
      const hosts = [await Site.create(), await Site.create()];
      try {
        const workers = hosts.map((host) => host.worker(site.address, { ...site.env }));
        const [first] = hosts;
        if (first === undefined) throw new Error('no host');
        const images = await makeImages(first);
        const file = await batchFile(first.directory, images);
        const begun = performance.now();
        const started = await longhaul('batch', 'start', file);
        expect(started.stderr + started.stdout).toContain('killed');
        expect(started.code).toBe(0);

        const outages = await disturb(random);
        const { vms: outcomes, status } = await untilBatch(
          longhaul,
          'killed',
          ({ status: now }) => now === 'completed',
          600,
        );
        expect(outages.length).toBe(kills);
        expect(status).toBe('completed');
        expect(outcomes.map(({ status: ended }) => ended)).toEqual(images.map(() => 'completed'));
        const seconds = (performance.now() - begun) / 1000;

        for (const worker of workers) expect(isAlive(worker)).toBe(true);
        const attempts = await inHistory(outcomes);
        await Promise.all(hosts.map((host) => host.stop()));
        await expectEachOnce(hosts, images);
        await keepResult('batch of real workers on PostgreSQL, killed', {
          vms,
          seconds: Math.round(seconds),
          'killed, at so many VMs completed': outages,
          ...attempts,
        });
      } finally {
        for (const host of hosts) await host.remove();
      }
    },
    20 * 60_000,
  );
});

interface Image {
  name: string;
  path: string;
}

/** Their names are no others' on this machine, whose libvirt is shared. */
async function makeImages({ directory, hostId }: Site): Promise<Image[]> {
  const names = Array.from({ length: vms }, (_one, index) => `${hostId}-vm${index + 1}`);
  return Promise.all(
    names.map(async (name) => {
      const path = join(directory, name, 'disk.raw');
      await mkdir(join(directory, name));
      await writeFile(path, randomBytes(diskBytes));
      return { name, path };
    }),
  );
}

async function batchFile(directory: string, images: readonly Image[]): Promise<string> {
  const path = join(directory, 'killed.yaml');
  const list = images.map(({ name, path: disk }) => `  - { name: ${name}, source: { disks: [${disk}] } }`);
  const lines = [
    'name: killed',
    'atOnce: 4',
    'defaults:',
    '  source: { kind: image }',
    '  guest: { fix: false }',
    '  policy: { onFailure: fail, verifyBoot: false }',
    'vms:',
    ...list,
  ];
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

/** Kills the database, the server or both at random moments, and starts them again. */
async function disturb(random: () => number): Promise<string[]> {
  const outages: string[] = [];
  const parts = { database: [site.database], server: [site.server], both: [site.database, site.server] };
  for (const [turn, what] of [...Object.keys(parts), ...Object.keys(parts)].slice(0, kills).entries()) {
    await sleep(2_000 + random() * 5_000);
    const victims = parts[what as keyof typeof parts];
    const completed = await completedWhileItRuns();
    await Promise.all(victims.map((victim) => victim.kill()));
    const said = await longhaul('batch', 'status', 'killed');
    expect(said.stderr).toContain('[TEMPORAL_UNREACHABLE]');
    expect(said.stderr).not.toMatch(/^\s+at /m);
    expect(said.code).toBe(3);
    const awayMs = random() * 8_000;
    await sleep(awayMs);
    for (const victim of victims) await victim.start();
    outages.push(`${what} at ${completed}`);
    console.log(`site: ${turn + 1}: killed ${what} when ${completed} of ${vms} were completed`);
  }
  return outages;
}

/** How many VMs are completed; the batch has not ended. */
async function completedWhileItRuns(): Promise<number> {
  const { status, counts } = await untilBatch(longhaul, 'killed', () => true, 60);
  expect(status).toBe('running');
  return counts.completed;
}

const isAlive = (worker: LonghaulProcess): boolean => {
  try {
    return process.kill(worker.pid, 0);
  } catch {
    return false;
  }
};

async function inHistory(outcomes: readonly VmOutcome[]) {
  const { address, namespace, connectionOptions } = site;
  const connection = await Connection.connect({ address, tls: connectionOptions.tls ?? false });
  try {
    const client = new Client({ connection, namespace });
    return await expectDoneOnce(
      client,
      outcomes.map(({ migrationId }) => migrationId),
    );
  } finally {
    await connection.close();
  }
}

/** One disk and one domain for each VM, with the bytes of its image, and nothing else on the hosts. */
async function expectEachOnce(hosts: readonly Site[], images: readonly Image[]): Promise<void> {
  const left = await Promise.all(hosts.map((host) => host.left()));
  expect(left.flatMap(({ leftovers }) => leftovers)).toEqual([]);
  expect(left.flatMap(({ domains }) => domains).sort()).toEqual(images.map(({ name }) => name).sort());
  expect(left.flatMap(({ disks }) => disks)).toHaveLength(images.length);
  for (const [index, host] of hosts.entries())
    for (const disk of left[index]?.disks ?? []) {
      const image = images.find(({ name }) => disk.startsWith(`${name}-`));
      const pair = ['-f', 'raw', '-F', 'qcow2', image?.path ?? '', join(host.targetDir, disk)];
      await run('qemu-img', ['compare', ...pair]);
    }
}
