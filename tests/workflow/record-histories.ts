import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { hostWorkflowIdOf } from '../../contracts/hosts.ts';
import { leftoverIdOf } from '../../contracts/runs.ts';
import { batchIdOf, pageIdOf } from '../../contracts/batch.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { gateIdOf } from '../../contracts/gates.ts';
import { ledgerIdOf } from '../../contracts/ledger.ts';
import type { MigrationSpecInput } from '../../contracts/spec.ts';
import { startBatch } from '../../workers/batch/fill-batch.ts';
import { Ledger } from '../../workers/batch/ledger.ts';
import { type ControlPlane, resolve, startControlPlane, until } from '../support/control-plane.ts';
import { startKeptHost } from '../support/kept-host.ts';
import { stateOf, stopsSlowly, type Script } from '../support/scripted-host.ts';
import { batch, batchVms, untilBatch } from '../support/batch-site.ts';

/**
 * Records one history of every interesting course of a migration into histories/. Run it when a new course
 * exists; keep the old files: they stand for migrations that are under way when workers are upgraded. With arguments
 * only those courses are recorded; `batch`, `batches`, `waiting`, `looks`, `reassigned` and `host` are the other workflows.
 */
const folder = new URL('histories/', import.meta.url);

interface Course {
  name: string;
  script: Script;
  spec?: Partial<MigrationSpecInput>;
  drive?: (handle: WorkflowHandle) => Promise<void>;
}

const server = 'https://images.example.com';
const fromTheWeb: MigrationSpecInput['source'] = { kind: 'image', disks: [`${server}/web01.qcow2`] };

const failOnce = (code: string) => (attempt: number) => {
  if (attempt === 1)
    throw ApplicationFailure.nonRetryable(code, code, { found: 'a thing', remedy: 'do that' });
};
const slowly = () => new Promise<void>((done) => setTimeout(done, 1_000));
const parked = (handle: WorkflowHandle) => until(handle, ({ status }) => status === 'parked');

const courses: Course[] = [
  { name: 'completed', script: {} },
  // As migrations are begun since edition 3.
  { name: 'completed-edition-3', script: {} },
  {
    name: 'copied-behind-a-gate',
    script: { targetGates: () => Promise.resolve([{ key: 'host/kvm1', weight: 1 }]) },
  },
  { name: 'from-the-web', script: {}, spec: { source: fromTheWeb } },
  {
    name: 'paused-behind-a-gate',
    script: { acquire: slowly },
    spec: { source: fromTheWeb },
    drive: async (handle) => {
      await until(handle, ({ doing }) => doing === 'fetches the disks');
      await handle.signal('pause');
      await until(handle, ({ status }) => status === 'paused');
      await handle.signal('resume');
    },
  },
  {
    name: 'without-guest-and-boot',
    script: {},
    spec: { guest: { fix: false }, policy: { verifyBoot: false } },
  },
  {
    name: 'parked-then-retried',
    script: { convertDisk: failOnce('SPACE_INSUFFICIENT') },
    drive: async (handle) => {
      await parked(handle);
      await resolve(handle, { action: 'retry' });
    },
  },
  {
    name: 'parked-then-amended',
    script: { inspectGuest: failOnce('GUEST_MULTIPLE_ROOTS') },
    drive: async (handle) => {
      const { spec } = await parked(handle);
      await resolve(handle, {
        action: 'retry',
        spec: { ...spec, guest: { ...spec.guest, root: '/dev/sda2' } },
      });
    },
  },
  {
    name: 'parked-then-skipped',
    script: { verifyBoot: failOnce('BOOT_NOT_SEEN') },
    drive: async (handle) => {
      await parked(handle);
      await resolve(handle, { action: 'skip' });
    },
  },
  {
    name: 'parked-then-aborted',
    script: { defineDomain: failOnce('DOMAIN_DEFINE_FAILED') },
    drive: async (handle) => {
      await parked(handle);
      await resolve(handle, { action: 'abort' });
    },
  },
  {
    name: 'failed-by-policy',
    script: { fixGuest: failOnce('GUEST_FIX_FAILED') },
    spec: { policy: { onFailure: 'fail' } },
  },
  {
    name: 'paused-in-the-middle-of-a-boot-check',
    script: { verifyBoot: slowly },
    drive: async (handle) => {
      await until(handle, (now) => stateOf(now, 'verify-boot') === 'running');
      await handle.signal('pause');
      await until(handle, ({ status }) => status === 'paused');
      await handle.signal('resume');
    },
  },
  {
    name: 'resumed-while-a-pause-stops-the-boot-check',
    script: { verifyBoot: (attempt) => (attempt === 1 ? stopsSlowly() : undefined) },
    drive: async (handle) => {
      await until(handle, (now) => stateOf(now, 'verify-boot') === 'running');
      await handle.signal('pause');
      await handle.signal('resume');
    },
  },
  {
    name: 'amended-at-the-boot-check',
    script: { verifyBoot: failOnce('BOOT_NOT_SEEN') },
    drive: async (handle) => {
      const { spec } = await parked(handle);
      await resolve(handle, {
        action: 'retry',
        spec: { ...spec, target: { ...spec.target, firmware: 'uefi' } },
      });
    },
  },
  {
    name: 'drained-in-the-middle-of-a-conversion',
    script: {
      convertDisk: (attempt) => {
        if (attempt === 1) throw ApplicationFailure.retryable('stopped', 'WORKER_DRAINING');
      },
    },
  },
  {
    name: 'libvirt-away-during-preflight',
    script: {
      findings: (attempt) =>
        attempt > 1
          ? []
          : [{ severity: 'blocker', code: 'LIBVIRT_UNREACHABLE', found: 'no answer', remedy: 'wait' }],
    },
  },
  {
    name: 'cancelled',
    script: { convertDisk: slowly },
    drive: async (handle) => {
      await until(handle, (now) => stateOf(now, 'convert') === 'running');
      await handle.cancel();
    },
  },
];

/** A batch of two waves, the second approved; with its page. */
async function recordBatch(plane: ControlPlane): Promise<void> {
  const host = await plane.host({});
  const name = `recorded-${randomUUID().slice(0, 8)}`;
  const waves = [
    { name: 'first', approval: false },
    { name: 'second', approval: true, window: { from: '00:00', to: '00:00', timeZone: 'UTC' } },
  ];
  const handle = await batch(
    plane,
    { name, waves },
    batchVms(host.hostId, `${name}-a`, 3),
    batchVms(host.hostId, `${name}-b`, 2),
  );
  await untilBatch(handle, ({ status }) => status === 'waiting for approval');
  await handle.signal('pause');
  await handle.signal('resume');
  await handle.executeUpdate('approve', { args: ['second'] });
  await handle.result();
  await keep('batch-of-two-waves', handle);
  await keep('batch-page', plane.environment.client.workflow.getHandle(pageIdOf(batchIdOf(name), 1)));
  await host.stop();
}

/** Batches in other states, and one that looks for its VMs, each with its first page. */
async function recordBatches(plane: ControlPlane): Promise<void> {
  const { client } = plane.environment;
  const pageOf = (name: string) => client.workflow.getHandle(pageIdOf(batchIdOf(name), 1));
  const newName = () => `recorded-${randomUUID().slice(0, 8)}`;
  let isBroken = true;
  const fails = { convertDisk: () => (isBroken ? failOnce('SPACE_INSUFFICIENT')(1) : undefined) };
  const host = await plane.host({ ...fails, acquire: slowly });

  const parking = newName();
  const [vm] = batchVms(host.hostId, parking, 1);
  const parkedBatch = await batch(plane, { name: parking }, vm ? [vm] : []);
  await untilBatch(parkedBatch, ({ counts }) => counts.parked + counts.running === 1);
  const migration = client.workflow.getHandle(vm?.migrationId ?? '');
  await parked(migration);
  isBroken = false;
  await resolve(migration, { action: 'retry' });
  await parkedBatch.result();
  await keep('batch-page-with-a-parked-vm', pageOf(parking));
  await keep('parked-in-a-batch', migration);

  const pausing = newName();
  const paused = await batch(plane, { name: pausing, atOnce: 2 }, batchVms(host.hostId, pausing, 4));
  await untilBatch(paused, ({ status, activePages }) => status === 'running' && activePages.length > 0);
  await paused.signal('pause');
  await untilBatch(paused, ({ status }) => status === 'paused');
  await new Promise((done) => setTimeout(done, 2_000));
  await paused.signal('resume');
  await paused.result();
  await keep('batch-paused', paused);
  await keep('batch-page-paused', pageOf(pausing));

  const long = newName();
  const tuning = { historyEvents: 60 };
  const continued = await batch(plane, { name: long, tuning }, batchVms(host.hostId, long, 40));
  const { runId } = await continued.describe();
  await continued.result();
  await keep('batch-continued-first', client.workflow.getHandle(batchIdOf(long), runId));
  await keep('batch-continued-last', continued);

  const cancelling = newName();
  const cancelled = await batch(plane, { name: cancelling }, batchVms(host.hostId, cancelling, 60));
  await untilBatch(cancelled, ({ counts }) => counts.running > 0 || counts.completed > 0);
  await cancelled.cancel();
  await cancelled.result().catch(() => undefined);
  await keep('batch-cancelled', cancelled);

  const looking = newName();
  const listed = batchVms(host.hostId, looking, 2).map(({ spec }) => ({ ...spec }));
  const selection = { select: [], listed, defaults: {}, overrides: [], order: 'listed' as const };
  const policy = { atOnce: 2, onFailure: { then: 'continue' as const } };
  const looked = await client.workflow.start('migrateBatch', {
    workflowId: batchIdOf(looking),
    taskQueue: workflowTaskQueue,
    args: [
      { name: looking, ...policy, waves: [{ name: 'all', approval: false }], selection, unattended: true },
    ],
  });
  await looked.result();
  await keep('batch-that-looks', looked);
  await host.stop();
}

/** A page that waits for its turn and looks for its batch until that is gone; and what batches remember. */
async function recordWaiting(plane: ControlPlane): Promise<void> {
  const { client } = plane.environment;
  const name = `recorded-${randomUUID().slice(0, 8)}`;
  const waves = [{ name: 'all', approval: true }];
  await startBatch(client, { name, atOnce: 1, onFailure: { then: 'continue' }, waves });
  const batchId = batchIdOf(name);
  const vms = batchVms('kvm1', name, 2);
  const page = await client.workflow.start('migratePage', {
    workflowId: pageIdOf(batchId, 1),
    taskQueue: workflowTaskQueue,
    args: [{ batchId, batch: name, page: 1, wave: 'all', vms, tellEvery: 1, watchSeconds: 1 }],
  });
  await new Promise((done) => setTimeout(done, 2_000));
  await client.workflow.getHandle(batchId).terminate('recorded');
  await page.result();
  await keep('batch-page-that-waited', page);

  const host = await plane.host({ acquire: slowly });
  const elsewhere = await host.start();
  const { spec } = await until(elsewhere, ({ status }) => status === 'running');
  const taken = `${name}-taken`;
  await (await batch(plane, { name: taken }, [{ migrationId: elsewhere.workflowId, spec }])).result();
  await keep('batch-page-that-was-refused', client.workflow.getHandle(pageIdOf(batchIdOf(taken), 1)));
  await host.stop();

  const ledger = await Ledger.read(client);
  await ledger.remember(vms.map(({ migrationId }) => migrationId));
  await keep('ledger', client.workflow.getHandle(ledgerIdOf(1)));
}

/** What only looks. */
async function recordLooks(plane: ControlPlane): Promise<void> {
  const host = await plane.host({});
  const start = (type: string, input: object) =>
    plane.environment.client.workflow.start(type, {
      workflowId: `${type}-${randomUUID().slice(0, 8)}`,
      taskQueue: workflowTaskQueue,
      args: [input],
    });
  const inventory = await start('inventoryAzure', { hostId: host.hostId, request: {} });
  await inventory.result();
  await keep('inventory-azure', inventory);
  const [vm] = batchVms(host.hostId, 'planned', 1);
  const plan = await start('planVm', { spec: vm?.spec });
  await plan.result();
  await keep('plan', plan);
  await host.stop();
}

/** A migration that is given to another host, and the workflow that removes what it left. */
async function recordReassigned(plane: ControlPlane): Promise<void> {
  const [first, second] = [
    await plane.host({ convertDisk: failOnce('SPACE_INSUFFICIENT') }),
    await plane.host({}),
  ];
  const handle = await first.start();
  await parked(handle);
  await handle.executeUpdate('reassign', { args: [{ host: second.hostId }] });
  await handle.result();
  await keep('reassigned', handle);
  const run = { migrationId: handle.workflowId, runId: (await handle.describe()).runId };
  const cleaner = plane.environment.client.workflow.getHandle(leftoverIdOf(run, first.hostId));
  await cleaner.result();
  await keep('left-by-a-migration', cleaner);
  await first.stop();
  await second.stop();
}

/** A host that is drained, gone, and back. */
async function recordHost(plane: ControlPlane): Promise<void> {
  const host = await startKeptHost(plane);
  const handle = plane.environment.client.workflow.getHandle(hostWorkflowIdOf(host.hostId));
  await host.desk.greeted;
  await handle.executeUpdate('set-drained', { args: [true] });
  await host.lose();
  await new Promise((done) => setTimeout(done, 2_000));
  await host.start();
  await new Promise((done) => setTimeout(done, 2_000));
  await host.lose();
  // Those that have come meanwhile are told.
  await new Promise((done) => setTimeout(done, 6_000));
  await host.start();
  await new Promise((done) => setTimeout(done, 2_000));
  await host.lose();
  await keep('host-drained-gone-and-back', handle);
}

async function keep(name: string, handle: WorkflowHandle): Promise<void> {
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()));
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(history)}\n`);
  console.log(`${name}: recorded`);
}

await mkdir(folder, { recursive: true });
const names = process.argv.slice(2);
const wanted = (name: string) => names.length === 0 || names.includes(name);
const plane = await startControlPlane();
for (const { name, script, spec = {}, drive } of courses.filter(({ name }) => wanted(name))) {
  await plane.migrating(script, spec, async (handle) => {
    await drive?.(handle);
    await handle.result().catch((error: unknown) => {
      console.log(`${name}: ended with ${String(error)}`);
    });
    await keep(name, handle);
  });
}
if (wanted('batch')) await recordBatch(plane);
if (wanted('batches')) await recordBatches(plane);
if (wanted('waiting')) await recordWaiting(plane);
if (wanted('looks')) await recordLooks(plane);
if (wanted('reassigned')) await recordReassigned(plane);
if (wanted('host')) await recordHost(plane);
if (wanted('from-the-web')) await keep('gate', plane.environment.client.workflow.getHandle(gateIdOf(server)));
await plane.stop();
