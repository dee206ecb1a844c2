import { mkdir, writeFile } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { gateIdOf } from '../../contracts/gates.ts';
import type { MigrationSpecInput } from '../../contracts/spec.ts';
import { resolve, startControlPlane, until } from '../support/control-plane.ts';
import { stateOf, stopsSlowly, type Script } from '../support/scripted-host.ts';

/**
 * Records one history of every interesting course of a migration into histories/. Run it when a new course
 * exists; keep the old files: they stand for migrations that are under way when workers are upgraded.
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

await mkdir(folder, { recursive: true });
const plane = await startControlPlane();
for (const { name, script, spec = {}, drive } of courses) {
  await plane.migrating(script, spec, async (handle) => {
    await drive?.(handle);
    await handle.result().catch((error: unknown) => {
      console.log(`${name}: ended with ${String(error)}`);
    });
    await record(name, handle);
  });
}
await record('gate', plane.environment.client.workflow.getHandle(gateIdOf(server)));
await plane.stop();

async function record(name: string, handle: WorkflowHandle): Promise<void> {
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()));
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(history)}\n`);
  console.log(`${name}: recorded`);
}
