import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VmOutcome } from '../../contracts/batch.ts';
import type { MigrationView } from '../../contracts/steps.ts';
import { Site } from '../chaos/site.ts';
import { startTemporal, type TemporalServer } from '../chaos/temporal-server.ts';
import { runLonghaul } from '../e2e/cli/cli-bench.ts';
import { askUntil } from '../support/control-plane.ts';
import type { LonghaulProcess } from '../support/longhaul-process.ts';
import { versionBefore, type OlderVersion } from '../support/site/older-version.ts';
import { WebServer } from '../support/web-server.ts';
import { untilBatch } from './batch-status.ts';
import { expectDoneOnce, refusedTasks } from './histories.ts';
import { keepResult } from './result.ts';

/** The edition of migrations that the hosts are upgraded to; see docs/workflow-changes.md. */
const edition = 3;
/** In seconds. The server tries a task that was given back ever later, after ten minutes at most. */
const untilTried = 780;
const vmsInBatch = 6;
const diskBytes = 8 * 1024 * 1024;

let older: OlderVersion;
let serverSite: Site;
let server: TemporalServer;
let web: WebServer;
let a: Site;
let b: Site;

beforeAll(async () => {
  older = await versionBefore(edition);
  [serverSite, a, b] = [await Site.create(), await Site.create(), await Site.create()];
  server = await startTemporal(join(serverSite.directory, 'server'));
  web = await WebServer.start(join(serverSite.directory, 'web'), { rateBytesPerSecond: 512 * 1024 });
});
afterAll(async () => {
  await web.stop();
  await a.remove();
  await b.remove();
  await server.stop();
  await serverSite.remove();
});

describe('workers of two versions', () => {
  it(
    'keep migrations and batches going while one after another is killed and upgraded',
    async () => {
      const begun = performance.now();
      const oldA = worker(a, older);
      const oldB = worker(b, older);
      await start('before');
      const single = await startMigration('single');
      await untilBatch(longhaul, 'before', ({ counts }) => counts.completed >= 1, 180);

      await a.kill(oldA);
      const newA = worker(a);
      await start('meanwhile');
      await untilBatch(longhaul, 'meanwhile', ({ counts }) => counts.completed >= 2, 180);

      await b.kill(oldB);
      const newB = worker(b);
      await start('after');

      const outcomes: VmOutcome[] = [];
      for (const name of ['before', 'meanwhile', 'after']) {
        const completed = await untilBatch(
          longhaul,
          name,
          ({ status }) => status === 'completed',
          untilTried,
        );
        outcomes.push(...completed.vms);
      }
      expect(outcomes.map(({ vm, status, found }) => [vm, status, found])).toEqual(
        outcomes.map(({ vm }) => [vm, 'completed', undefined]),
      );
      expect(outcomes).toHaveLength(3 * vmsInBatch);
      await server.client.workflow.getHandle(single).result();
      const ids = [single, ...outcomes.map(({ migrationId }) => migrationId)];
      const attempts = await expectDoneOnce(server.client, ids);

      // An old worker may give a task back that is beyond it; who is newer understands all that is older.
      const refused = await refusedTasks(server.client);
      const current = [newA, newB].map(({ pid }) => String(pid));
      expect(refused.filter(({ worker: name }) => current.includes(name.split('/')[1] ?? ''))).toEqual([]);
      await keepResult('upgrade of two hosts, one after the other killed', {
        from: older.commit.slice(0, 12),
        migrations: ids.length,
        seconds: Math.round((performance.now() - begun) / 1000),
        ...attempts,
        'tasks that an old worker gave back': refused.length,
      });
      await Promise.all([newA.stop(), newB.stop()]);
    },
    30 * 60_000,
  );

  it('lose nothing when a migration that newer code began falls into the hands of an older worker', async () => {
    const newA = worker(a);
    await newA.untilPrinted(/worker is ready/);
    await limit(0);
    const id = await startMigration('newer', '--host', a.hostId);
    const view = () => statusOfMigration(id);
    await askUntil(view, ({ doing = '' }) => doing.startsWith('waits for its turn'), 60);

    await a.kill(newA);
    const oldB = worker(b, older);
    await oldB.untilPrinted(/worker is ready/);
    expect((await longhaul('pause', id)).code).toBe(0);
    const refused = await askUntil(
      async () => (await refusedTasks(server.client)).filter(({ workflowId }) => workflowId === id),
      (tasks) => tasks.length > 0,
      60,
    );
    expect(new Set(refused.map(({ worker: name }) => name))).toEqual(new Set([`${b.hostId}/${oldB.pid}`]));
    expect(refused[0]?.message).toContain(`up to edition ${edition - 1}`);

    await b.kill(oldB);
    const begun = performance.now();
    worker(a);
    worker(b);
    await limit(4);
    expect((await longhaul('resume', id)).code).toBe(0);
    await server.client.workflow.getHandle(id).result();
    await expectDoneOnce(server.client, [id]);
    await keepResult('a migration of newer code in the hands of an older worker', {
      'seconds to its end, once that was upgraded': Math.round((performance.now() - begun) / 1000),
    });
  }, 300_000);
});

const worker = (host: Site, version?: OlderVersion): LonghaulProcess =>
  host.worker(server.address, { NODE_EXTRA_CA_CERTS: web.authorityPath }, version?.main);

const longhaul = (...args: string[]) => runLonghaul(args, { env: { TEMPORAL_ADDRESS: server.address } });

/** Names are no others' on this machine, whose libvirt is shared. */
const vmName = (name: string) => `${a.hostId}-${name}`;

async function publish(vm: string): Promise<string> {
  await writeFile(join(web.folder, `${vm}.raw`), randomBytes(diskBytes));
  return web.url(`${vm}.raw`);
}

/** How many disks are fetched at once from the web server; the gate answers by a worker, which may just have started. */
async function limit(disks: number): Promise<void> {
  const { origin } = new URL(web.url(''));
  await askUntil(
    () => longhaul('limit', 'set', origin, String(disks)),
    ({ code }) => code === 0,
    60,
  );
}

async function statusOfMigration(id: string): Promise<Partial<MigrationView>> {
  const { code, stdout } = await longhaul('status', id, '--json');
  return code === 0 ? (JSON.parse(stdout) as MigrationView) : {};
}

async function startMigration(name: string, ...more: string[]): Promise<string> {
  const vm = vmName(name);
  const args = ['migrate', await publish(vm), '--name', vm, '--set', 'guest.fix=false', '--json'];
  const { code, stdout, stderr } = await longhaul(...args, '--set', 'policy.verifyBoot=false', ...more);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { migrationId: string }).migrationId;
}

async function start(name: string): Promise<void> {
  const list = await Promise.all(
    Array.from({ length: vmsInBatch }, async (_one, index) => {
      const vm = vmName(`${name}${index + 1}`);
      return `  - { name: ${vm}, source: { disks: [${await publish(vm)}] } }`;
    }),
  );
  const path = join(serverSite.directory, `${name}.yaml`);
  const head = `name: ${name}
atOnce: 3
defaults:
  source: { kind: image }
  guest: { fix: false }
  policy: { onFailure: fail, verifyBoot: false }
vms:
`;
  await writeFile(path, `${head}${list.join('\n')}\n`);
  const { code, stderr } = await longhaul('batch', 'start', path);
  expect(code, stderr).toBe(0);
}
