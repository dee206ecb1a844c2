import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Batches } from '../../../client/batch/batches.ts';
import {
  type BatchInput,
  batchIdOf,
  type BatchVm,
  type PageInput,
  pageIdOf,
  pagesUpTo,
  type PageView,
} from '../../../contracts/batch.ts';
import { workflowTaskQueue } from '../../../contracts/queues.ts';
import { addPages, fillBatch, startBatch } from '../../../workers/batch/fill-batch.ts';
import { allotSignal, stopPageSignal } from '../../../workflows/batch/messages.ts';
import { startControlPlane, type ControlPlane, type TestHost } from '../../support/control-plane.ts';
import { batch, batchView, batchVms, untilBatch } from '../../support/batch-site.ts';
import { gate } from '../../support/scripted-host.ts';

let plane: ControlPlane;
let batches: Batches;
beforeAll(async () => {
  plane = await startControlPlane();
  batches = new Batches(plane.environment.client, (work) => work());
});
afterAll(() => plane.stop());

const fileOf = (...waves: string[]): BatchInput => ({
  name: 'more',
  atOnce: 1,
  onFailure: { then: 'continue' },
  waves: waves.map((name) => ({ name, approval: false })),
});

/** A batch whose first VM holds its only place until `open`. */
async function held(test: (site: { host: TestHost; name: string; open: () => void }) => Promise<void>) {
  const first = gate();
  const host = await plane.host({ acquire: () => first.wait() });
  try {
    await test({ host, name: newName(), open: first.open });
  } finally {
    await host.stop();
  }
}

const pilotAndRest = [
  { name: 'pilot', approval: false },
  { name: 'rest', approval: true },
];
const newName = () => `edit-${randomUUID().slice(0, 8)}`;

/** A page that nobody has registered. */
async function strayPage(page: Pick<PageInput, 'batchId' | 'page' | 'vms' | 'watchSeconds' | 'begunAt'>) {
  const input: PageInput = { batch: 'stray', wave: 'all', tellEvery: 1, ...page };
  const workflowId = pageIdOf(input.batchId, input.page);
  const start = { workflowId, taskQueue: workflowTaskQueue, args: [input] };
  return plane.environment.client.workflow.start('migratePage', start);
}

describe('a batch that is edited while it runs', () => {
  it('loses no VM when several people put VMs first at once', async () => {
    await held(async ({ host, name, open }) => {
      const handle = await batch(plane, { name, atOnce: 1 }, batchVms(host.hostId, `${name}-`, 8));
      await untilBatch(handle, ({ counts }) => counts.waiting === 7 || counts.running > 0);
      const wanted = [5, 6, 7, 8].map((number) => `${name}-${number}`);
      await Promise.all(wanted.map((vm) => batches.first(name, vm)));
      open();
      expect(await handle.result()).toMatchObject({ status: 'completed', counts: { completed: 8 } });
      const { lastPage } = await batchView(handle);
      const outcomes = await batches.outcomes(name, pagesUpTo(lastPage));
      expect(outcomes.map(({ status }) => status)).toEqual(Array(8).fill('completed'));
      const began = (vm: string) => outcomes.find((one) => one.vm === vm)?.startedAt ?? '';
      for (const vm of wanted) expect(began(vm) < began(`${name}-3`)).toBe(true);
    });
  });

  it('takes VMs of another file, to waves of the same names, each VM once', async () => {
    await held(async ({ host, name, open }) => {
      const waves = [
        { name: 'pilot', approval: false },
        { name: 'rest', approval: false },
      ];
      const [some, rest] = [batchVms(host.hostId, `${name}-a`, 2), batchVms(host.hostId, `${name}-b`, 2)];
      const handle = await batch(plane, { name, waves, atOnce: 1 }, some, rest);
      const more = batchVms(host.hostId, `${name}-c`, 3);
      expect(await batches.add(name, { input: fileOf('rest'), vms: [[...rest, ...more]] })).toBe(3);
      const [extra] = batchVms(host.hostId, `${name}-d`, 1);
      expect(await batches.add(name, { input: fileOf('all'), vms: [extra ? [extra] : []] })).toBe(1);
      await expect(batches.add(name, { input: fileOf('rest', 'none'), vms: [[], more] })).resolves.toBe(0);
      const [late] = batchVms(host.hostId, `${name}-e`, 1);
      await expect(
        batches.add(name, { input: fileOf('rest', 'none'), vms: [[], late ? [late] : []] }),
      ).rejects.toMatchObject({ code: 'BATCH_EDIT_REFUSED' });
      open();
      expect(await handle.result()).toMatchObject({
        counts: { completed: 8, skipped: 0 },
        waves: [{ counts: { completed: 3 } }, { counts: { completed: 5 } }],
      });
    });
  });

  it('leaves nothing behind that waits for ever when it takes no more', async () => {
    await held(async ({ host, name, open }) => {
      const handle = await batch(
        plane,
        { name, waves: pilotAndRest },
        batchVms(host.hostId, `${name}-a`, 1),
        [],
      );
      open();
      await handle.result();
      const late = batchVms(host.hostId, `${name}-b`, 1);
      await expect(batches.add(name, { input: fileOf('pilot'), vms: [late] })).rejects.toMatchObject({
        code: 'BATCH_EDIT_REFUSED',
      });
      const page = plane.environment.client.workflow.getHandle(pageIdOf(batchIdOf(name), 2));
      const status = async () => (await page.describe()).status.name;
      await expect.poll(() => status().catch(() => 'none')).not.toBe('RUNNING');
    });
  });

  it('takes VMs that it refused before, when they come for a wave that is not over', async () => {
    await held(async ({ host, name, open }) => {
      const [some, rest] = [batchVms(host.hostId, `${name}-a`, 1), batchVms(host.hostId, `${name}-b`, 1)];
      const handle = await batch(plane, { name, waves: pilotAndRest }, some, rest);
      open();
      await untilBatch(handle, ({ status }) => status === 'waiting for approval');
      const late = batchVms(host.hostId, `${name}-c`, 1);
      await expect(batches.add(name, { input: fileOf('pilot'), vms: [late] })).rejects.toMatchObject({
        code: 'BATCH_EDIT_REFUSED',
      });
      expect(await batches.add(name, { input: fileOf('rest'), vms: [late] })).toBe(1);
      await batches.approve(name, 'rest');
      expect(await handle.result()).toMatchObject({ counts: { completed: 3, skipped: 0 } });
    });
  });

  it('migrates a VM once that came to stand in two of its pages', async () => {
    await held(async ({ host, name, open }) => {
      const vms = batchVms(host.hostId, `${name}-`, 1);
      const handle = await batch(plane, { name, atOnce: 2 }, vms);
      await addPages(plane.environment.client, await batchView(handle), { wave: 0, after: 1, vms });
      await untilBatch(handle, ({ counts }) => counts.skipped === 1);
      open();
      expect(await handle.result()).toMatchObject({ counts: { completed: 1, skipped: 1, failed: 0 } });
    });
  });

  it('takes VMs under another number when theirs was used meanwhile, by a page that has ended', async () => {
    await held(async ({ host, name, open }) => {
      const { client } = plane.environment;
      const handle = await batch(plane, { name, atOnce: 1 }, batchVms(host.hostId, `${name}-a`, 1));
      const before = await batchView(handle);
      const [dropped] = batchVms(host.hostId, `${name}-b`, 1);
      await addPages(client, before, { wave: 0, after: 1, vms: dropped ? [dropped] : [] });
      await batches.drop(name, `${name}-b1`);
      await ended(pageIdOf(batchIdOf(name), 2));
      const vms = batchVms(host.hostId, `${name}-c`, 2);
      expect(await addPages(client, before, { wave: 0, after: 1, vms })).toBe(3);
      open();
      expect(await handle.result()).toMatchObject({ counts: { completed: 3, skipped: 1 } });
    });
  });

  it('begins no page anew that has ended, when its hand-over is done once more', async () => {
    const { client } = plane.environment;
    const name = newName();
    const content = { input: { ...fileOf('all'), name }, vms: [batchVms('nowhere', `${name}-`, 60)] };
    await startBatch(client, content.input);
    const view = await batchView(client.workflow.getHandle(batchIdOf(name)));
    await addPages(client, view, { wave: 0, after: 0, vms: content.vms[0]?.slice(0, 50) ?? [] });
    const first = pageIdOf(batchIdOf(name), 1);
    await client.workflow.getHandle(first).signal(stopPageSignal);
    const { runId } = await ended(first);

    await fillBatch(client, content);
    await expect(ended(first)).resolves.toMatchObject({ runId });
    const batchHandle = client.workflow.getHandle(batchIdOf(name));
    await untilBatch(
      batchHandle,
      ({ counts }) => counts.skipped === 50 && counts.waiting + counts.running === 10,
    );
    await batchHandle.cancel();
  });
});

describe('a batch of the name of one that was ended from outside', () => {
  it('is refused while that has VMs under way, and then begins what was not begun', async () => {
    await held(async ({ host, name, open }) => {
      const { client } = plane.environment;
      const vms = batchVms(host.hostId, `${name}-`, 3);
      const first = await batch(plane, { name, atOnce: 1 }, vms);
      const page = client.workflow.getHandle(pageIdOf(batchIdOf(name), 1));
      await expect.poll(async () => (await page.query<PageView>('page')).vms[0]?.status).toBe('running');
      await first.terminate('by somebody');

      const content = { input: { ...fileOf('all'), name }, vms: [vms] };
      await expect(batches.start(content)).rejects.toMatchObject({
        code: 'BATCH_EXISTS',
        found: expect.stringContaining(`${name}-1 under way`) as string,
      });
      open();
      expect(((await page.result()) as PageView).vms.map(({ status }) => status)).toEqual([
        ...['completed', 'not begun', 'not begun'],
      ]);
      await batches.start(content);
      const again = client.workflow.getHandle(batchIdOf(name));
      expect(await again.result()).toMatchObject({ counts: { completed: 2, skipped: 1, failed: 0 } });
    });
  });

  it('does not take for migrated what that has under way', async () => {
    await held(async ({ host, name, open }) => {
      const { client } = plane.environment;
      const vms = batchVms(host.hostId, `${name}-`, 1);
      const first = await batch(plane, { name }, vms);
      const migration = client.workflow.getHandle(vms[0]?.migrationId ?? '');
      await expect
        .poll(() =>
          migration.describe().then(
            () => 'there',
            () => 'none',
          ),
        )
        .toBe('there');
      await first.terminate('by somebody');
      await fillOnly({ ...fileOf('all'), name, pagesBefore: 5 }, vms);
      const again = client.workflow.getHandle(batchIdOf(name));
      expect(await again.result()).toMatchObject({ counts: { failed: 1, skipped: 0 } });
      open();
      await migration.result();
    });
  });

  it('stops pages of that which it does not have', async () => {
    await held(async ({ host, name, open }) => {
      const { client } = plane.environment;
      await startBatch(client, { ...fileOf('all'), name });
      const vms = batchVms(host.hostId, `${name}-`, 3);
      const page = await strayPage({ batchId: batchIdOf(name), page: 9, vms });
      await page.signal(allotSignal, 1);
      await expect
        .poll(async () => (await page.query<PageView>('page')).vms.map(({ status }) => status))
        .toEqual(['running', 'not begun', 'not begun']);
      open();
      await page.result();
      await client.workflow.getHandle(batchIdOf(name)).cancel();
    });
  });
});

describe('a VM that somebody else migrates now', () => {
  it('counts as failed, not as migrated, and can be begun once more', async () => {
    await held(async ({ host, name, open }) => {
      const { client } = plane.environment;
      const [vm] = batchVms(host.hostId, `${name}-`, 1);
      if (vm === undefined) throw new TypeError('no VM');
      const alone = await client.workflow.start('migrateVm', {
        workflowId: vm.migrationId,
        taskQueue: workflowTaskQueue,
        args: [{ spec: vm.spec }],
      });
      const handle = await batch(plane, { name }, [vm]);
      expect(await handle.result()).toMatchObject({ counts: { failed: 1, skipped: 0 } });
      const [outcome] = await batches.outcomes(name, [1]);
      expect(outcome).toMatchObject({ status: 'failed', code: 'MIGRATION_EXISTS' });
      open();
      await alone.result();
      expect(await batches.retry(name, { failedOnly: true })).toBe(1);
      expect(await client.workflow.getHandle(batchIdOf(name)).result()).toMatchObject({
        counts: { skipped: 1 },
      });
    });
  });
});

describe('a retry that was cut off while it handed VMs over', () => {
  it('goes on when it is asked for again', async () => {
    const name = newName();
    const { client } = plane.environment;
    const handle = await batch(plane, { name }, batchVms('nowhere', `${name}-`, 2));
    await untilBatch(handle, ({ counts }) => counts.running === 2);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    const { lastPage } = await batchView(handle);
    await startBatch(client, { ...fileOf('retry'), name, pagesBefore: lastPage });
    expect(await batches.retry(name)).toBe(2);
    const again = client.workflow.getHandle(batchIdOf(name));
    await untilBatch(
      again,
      ({ status, counts }) => status === 'running' && counts.running + counts.waiting === 2,
    );
    expect(await batches.retry(name)).toBe(0);
    await again.cancel();
  });
});

async function fillOnly(input: BatchInput, vms: BatchVm[]): Promise<void> {
  await startBatch(plane.environment.client, input);
  await fillBatch(plane.environment.client, { input, vms: [vms] });
}

async function ended(workflowId: string) {
  const handle = plane.environment.client.workflow.getHandle(workflowId);
  await handle.result();
  return handle.describe();
}

describe('a page that waits for its turn', () => {
  it('is taken by its batch when the hand-over was cut off before it was registered', async () => {
    const name = newName();
    const { client } = plane.environment;
    const host = await plane.host();
    await startBatch(client, { ...fileOf('all'), name });
    const handle = client.workflow.getHandle(batchIdOf(name));
    const { startedAt } = await batchView(handle);
    const vms = batchVms(host.hostId, `${name}-`, 3);
    await strayPage({ batchId: batchIdOf(name), page: 2, vms, watchSeconds: 1, begunAt: startedAt });
    await expect.poll(async () => (await batchView(handle)).counts.waiting).toBe(3);
    // One of a batch before it is not.
    const older = {
      batchId: batchIdOf(name),
      page: 3,
      vms: batchVms(host.hostId, 'older-', 1),
      watchSeconds: 1,
    };
    const stray = await strayPage({ ...older, begunAt: new Date(0).toISOString() });
    await expect.poll(async () => (await stray.describe()).historyLength).toBeGreaterThan(10);
    await handle.executeUpdate('seal');
    expect(await handle.result()).toMatchObject({ counts: { completed: 3, skipped: 0, failed: 0 } });
    await stray.result();
    await host.stop();
  });

  it('ends when its batch is not there any more, and begins nothing', async () => {
    const name = newName();
    const waves = [{ name: 'all', approval: true }];
    await startBatch(plane.environment.client, { ...fileOf('all'), name, waves });
    const vmsOfPage = batchVms('nowhere', `${name}-`, 2);
    const page = await strayPage({ batchId: batchIdOf(name), page: 1, vms: vmsOfPage, watchSeconds: 1 });
    const batchHandle = plane.environment.client.workflow.getHandle(batchIdOf(name));
    // It looks, and goes on waiting.
    await expect.poll(async () => (await page.describe()).historyLength).toBeGreaterThan(10);
    expect((await page.describe()).status.name).toBe('RUNNING');
    await batchHandle.terminate('by somebody');
    const { vms } = (await page.result()) as PageView;
    expect(vms.map(({ status }) => status)).toEqual(['not begun', 'not begun']);
  });
});
