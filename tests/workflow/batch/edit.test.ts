import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Batches } from '../../../client/batch/batches.ts';
import { type BatchInput, batchIdOf, pageIdOf, pagesUpTo } from '../../../contracts/batch.ts';
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
    await test({ host, name: `edit-${randomUUID().slice(0, 8)}`, open: first.open });
  } finally {
    await host.stop();
  }
}

describe('a batch that is edited while it runs', { timeout: 90_000 }, () => {
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
      const waves = [
        { name: 'pilot', approval: false },
        { name: 'rest', approval: true },
      ];
      const handle = await batch(plane, { name, waves }, batchVms(host.hostId, `${name}-a`, 1), []);
      open();
      await handle.result();
      const late = batchVms(host.hostId, `${name}-b`, 1);
      await expect(batches.add(name, { input: fileOf('pilot'), vms: [late] })).rejects.toMatchObject({
        code: 'BATCH_EDIT_REFUSED',
      });
      const page = plane.environment.client.workflow.getHandle(pageIdOf(batchIdOf(name), 2));
      const status = async () => (await page.describe()).status.name;
      await expect.poll(() => status().catch(() => 'none'), { timeout: 5_000 }).not.toBe('RUNNING');
    });
  });
});
