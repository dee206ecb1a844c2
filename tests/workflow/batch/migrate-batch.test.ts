import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchIdOf, pageIdOf, type BatchView } from '../../../contracts/batch.ts';
import { resolve, startControlPlane, type ControlPlane, type TestHost } from '../../support/control-plane.ts';
import { gate, type Script } from '../../support/scripted-host.ts';
import { batch, batchView, batchVms, pageView, untilBatch } from '../../support/batch-site.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

/** A host of its own for a test, and a name for its batch. */
async function withHost(script: Script, test: (host: TestHost, name: string) => Promise<void>, slots = 100) {
  const host = await plane.host(script, slots);
  try {
    await test(host, `test-${randomUUID().slice(0, 8)}`);
  } finally {
    await host.stop();
  }
}

const failing = (code: string) => () => {
  throw ApplicationFailure.nonRetryable(code, code, { found: 'a thing', remedy: 'do that' });
};
const fail = { policy: { onFailure: 'fail' as const } };

describe('a batch', () => {
  it('migrates all VMs of several pages, and never more at once than it may', async () => {
    let [running, most] = [0, 0];
    const script = {
      acquire: async () => {
        most = Math.max(most, (running += 1));
        await new Promise((done) => setTimeout(done, 30));
      },
      finish: () => void (running -= 1),
    };
    await withHost(script, async (host, name) => {
      const handle = await batch(plane, { name, atOnce: 7 }, batchVms(host.hostId, `${name}-`, 70));
      const result = (await handle.result()) as BatchView;
      expect(result).toMatchObject({
        status: 'completed',
        counts: { completed: 70, failed: 0, waiting: 0 },
      });
      expect(result.lastPage).toBe(2);
      expect(most).toBeLessThanOrEqual(7);
      expect(most).toBeGreaterThan(4);
      expect(result.dataBytes).toBe(70 * 2 ** 20);
    });
  });

  it('begins a wave when the one before is over, and one with a gate when it was approved', async () => {
    await withHost({}, async (host, name) => {
      const waves = [
        { name: 'first', approval: false },
        { name: 'second', approval: true },
      ];
      const handle = await batch(
        plane,
        { name, waves },
        batchVms(host.hostId, `${name}-a`, 3),
        batchVms(host.hostId, `${name}-b`, 2),
      );
      const waiting = await untilBatch(handle, ({ status }) => status === 'waiting for approval');
      expect(waiting.waves.map(({ counts }) => counts.completed)).toEqual([3, 0]);
      await expect(handle.executeUpdate('approve', { args: ['third'] })).rejects.toThrow();
      await handle.executeUpdate('approve', { args: ['second'] });
      expect(await handle.result()).toMatchObject({ status: 'completed', counts: { completed: 5 } });
    });
  });

  it('goes on over continue-as-new with all it knows, and its histories stay short', async () => {
    await withHost({}, async (host, name) => {
      const handle = await batch(
        plane,
        { name, atOnce: 10, tuning: { historyEvents: 60 } },
        batchVms(host.hostId, `${name}-`, 70),
      );
      const firstRun = (await handle.describe()).runId;
      expect(await handle.result()).toMatchObject({ status: 'completed', counts: { completed: 70 } });
      const { runId, historyLength } = await handle.describe();
      expect(runId).not.toBe(firstRun);
      expect(historyLength).toBeLessThan(200);
    });
  });

  it('gives the place of a parked VM to another, and says what is parked and why', async () => {
    let failed = false;
    const script = {
      convertDisk: () => {
        if (failed) return;
        failed = true;
        failing('SPACE_INSUFFICIENT')();
      },
    };
    await withHost(script, async (host, name) => {
      const handle = await batch(plane, { name, atOnce: 1 }, batchVms(host.hostId, `${name}-`, 3));
      await untilBatch(handle, () => failed);
      const page = () => pageView(plane, name, 1);
      const done = async () => (await page()).vms.map(({ status }) => status);
      await expect.poll(done).toEqual(['parked', 'completed', 'completed']);
      const [parked] = (await page()).vms;
      expect(parked).toMatchObject({ code: 'SPACE_INSUFFICIENT', found: 'a thing', remedy: 'do that' });
      await resolve(plane.environment.client.workflow.getHandle(parked?.migrationId ?? ''), {
        action: 'retry',
      });
      expect(await handle.result()).toMatchObject({ counts: { completed: 3, parked: 0 } });
      expect((await page()).vms[0]).not.toHaveProperty('code');
    });
  });

  it('takes a VM once: one that was migrated before is left out', async () => {
    await withHost({}, async (host, name) => {
      const vms = batchVms(host.hostId, `${name}-`, 3);
      await (await batch(plane, { name }, vms.slice(0, 2))).result();
      expect(await (await batch(plane, { name }, vms)).result()).toMatchObject({
        counts: { completed: 1, skipped: 2 },
      });
    });
  });

  it.each([
    ['in number', { then: 'stop-batch', failures: 2 }],
    ['in a hundred', { then: 'stop-batch', percent: 10 }],
  ] as const)('stops when too many failed, %s', async (_how, onFailure) => {
    await withHost({ preflight: failing('DOMAIN_EXISTS') }, async (host, name) => {
      const handle = await batch(
        plane,
        { name, atOnce: 1, onFailure },
        batchVms(host.hostId, `${name}-a`, 20, fail),
        batchVms(host.hostId, `${name}-b`, 5, fail),
      );
      const { status, counts } = (await handle.result()) as BatchView;
      expect(status).toBe('stopped');
      expect(counts.failed).toBeLessThan(8);
      expect(counts.failed + counts.skipped).toBe(25);
    });
  });

  it('can stop a wave and go on with the next', async () => {
    const script = { preflight: failing('DOMAIN_EXISTS') };
    await withHost(script, async (host, name) => {
      const handle = await batch(
        plane,
        { name, atOnce: 1, onFailure: { then: 'stop-wave', failures: 1 } },
        batchVms(host.hostId, `${name}-a`, 10, fail),
        batchVms(host.hostId, `${name}-b`, 10, fail),
      );
      const { status, waves } = (await handle.result()) as BatchView;
      expect(status).toBe('completed');
      for (const { counts } of waves) expect(counts.skipped).toBeGreaterThan(5);
      for (const { counts } of waves) expect(counts.failed).toBeGreaterThan(0);
    });
  });

  it('holds while it is paused, its migrations too, and goes on', async () => {
    const { wait, open } = gate();
    await withHost({ acquire: () => wait() }, async (host, name) => {
      const handle = await batch(plane, { name, atOnce: 2 }, batchVms(host.hostId, `${name}-`, 4));
      await untilBatch(handle, ({ counts }) => counts.running === 2);
      await handle.signal('pause');
      await untilBatch(handle, ({ status }) => status === 'paused');
      const [first] = (await pageView(plane, name, 1)).vms;
      const migration = plane.environment.client.workflow.getHandle(first?.migrationId ?? '');
      await expect
        .poll(async () => (await migration.query<{ status: string }>('progress')).status)
        .toBe('paused');
      open();
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ counts: { completed: 4 } });
    });
  });

  it('cancels its pages all at once, however many there are', async () => {
    const held = gate();
    await withHost({ acquire: () => held.wait() }, async (host, name) => {
      const handle = await batch(plane, { name, atOnce: 1 }, batchVms(host.hostId, `${name}-`, 151));
      await untilBatch(handle, ({ counts }) => counts.running === 1);
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      const { events } = await handle.fetchHistory();
      const turns = (events ?? []).flatMap(
        ({ requestCancelExternalWorkflowExecutionInitiatedEventAttributes: asked }) =>
          asked ? [String(asked.workflowTaskCompletedEventId)] : [],
      );
      expect(turns).toHaveLength(4);
      expect(new Set(turns).size).toBe(1);
    });
  });

  it('is cancelled with everything in it, after what was done is undone', async () => {
    await withHost({ convertDisk: () => gate().wait() }, async (host, name) => {
      const handle = await batch(plane, { name, atOnce: 2 }, batchVms(host.hostId, `${name}-`, 60));
      const converting = () => host.calls.filter((call) => call === 'convertDisk').length;
      await expect.poll(converting).toBe(2);
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(await batchView(handle)).toMatchObject({
        status: 'cancelled',
        counts: { failed: 2, skipped: 58, running: 0, waiting: 0 },
      });
      expect(host.calls.filter((call) => call === 'discardWork')).toHaveLength(2);
    });
  });

  it('notices a page that was terminated, and a migration that was', async () => {
    const held = gate();
    await withHost({ acquire: () => held.wait() }, async (host, name) => {
      const { client } = plane.environment;
      const handle = await batch(
        plane,
        { name, atOnce: 60, tuning: { watchSeconds: 1 } },
        batchVms(host.hostId, `${name}-`, 60),
      );
      await expect.poll(() => host.calls.filter((call) => call === 'acquire').length).toBe(60);
      await client.workflow.getHandle(pageIdOf(batchIdOf(name), 1)).terminate('by hand');
      const [one] = (await pageView(plane, name, 2)).vms;
      await client.workflow.getHandle(one?.migrationId ?? '').terminate('by hand');
      await untilBatch(handle, ({ lostPages }) => lostPages === 1);
      held.open();
      expect(await handle.result()).toMatchObject({ lostPages: 1, counts: { completed: 9, failed: 51 } });
      expect((await pageView(plane, name, 2)).vms[0]).toMatchObject({
        status: 'failed',
        code: 'MIGRATION_LOST',
      });
    });
  });

  it('can be edited while it runs: a VM that waits is dropped, others come first', async () => {
    const held = gate();
    await withHost({ preflight: () => held.wait() }, async (host, name) => {
      const { client } = plane.environment;
      const handle = await batch(plane, { name, atOnce: 1 }, batchVms(host.hostId, `${name}-`, 5));
      const page = client.workflow.getHandle(pageIdOf(batchIdOf(name), 1));
      await page.executeUpdate('drop', { args: [`${name}-5`] });
      await expect(page.executeUpdate('drop', { args: ['nobody'] })).rejects.toThrow();
      await expect(page.executeUpdate('drop', { args: [`${name}-5`] })).rejects.toThrow();
      held.open();
      expect(await handle.result()).toMatchObject({ counts: { completed: 4, skipped: 1 } });
    });
  });
});
