import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultLimits, type GateBook, gateIdOf } from '../../../contracts/gates.ts';
import {
  resolve,
  startControlPlane,
  until,
  view,
  type ControlPlane,
  type TestHost,
} from '../../support/control-plane.ts';
import { gate as stop, stateOf, type Script } from '../../support/scripted-host.ts';
import { batch, batchVms } from '../../support/batch-site.ts';
import { countedFetches, gateSite, holdersOf, leaseSeconds, waitingOf, type GateSite } from './gate-site.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

async function withHost(script: Script, test: (host: TestHost) => Promise<void>) {
  const host = await plane.host(script, 100);
  try {
    await test(host);
  } finally {
    await host.stop();
  }
}

const tuning = { leaseSeconds };
const start = (host: TestHost, { source }: GateSite) => host.start({ source }, tuning);
/** A gate with one place, and a migration in it. */
async function takenSite(host: TestHost): Promise<GateSite> {
  const site = await gateSite(plane, 1);
  await start(host, site);
  await expect.poll(async () => holdersOf(await site.book()).length).toBe(1);
  return site;
}

const isWaiting = ({ doing }: { doing?: string }) => doing?.startsWith('waits for its turn') === true;

describe('a gate', () => {
  it('holds its limit across two batches and single migrations', async () => {
    const held = stop();
    const fetches = countedFetches(() => held.wait());
    await withHost(fetches, async (host) => {
      const { source, book } = await gateSite(plane, 3);
      const name = randomUUID().slice(0, 8);
      const vms = (prefix: string) => batchVms(host.hostId, `${prefix}-${name}-`, 6, { source });
      const [one, other] = await Promise.all([
        batch(plane, { name: `a-${name}` }, vms('a')),
        batch(plane, { name: `b-${name}` }, vms('b')),
      ]);
      const singles = await Promise.all([1, 2, 3].map(() => host.start({ source }, tuning)));
      await expect.poll(() => fetches.now()).toBe(3);
      await expect.poll(async () => waitingOf(await book())).toBe(12);
      held.open();
      await Promise.all([one, other, ...singles].map((handle) => handle.result()));
      expect(fetches.most()).toBe(3);
      expect(await one.result()).toMatchObject({ counts: { completed: 6 } });
      expect(await book()).toEqual({ limit: 3, holders: [], lines: [] });
    });
  });

  it('counts the disks of a VM of Azure, which are known from preflight only', async () => {
    const held = stop();
    const remoteDisks = [0, 1, 2].map((index) => ({
      index,
      name: `disk${index}`,
      virtualSizeBytes: 2 ** 30,
    }));
    await withHost({ acquire: () => held.wait(), remoteDisks }, async (host) => {
      const subscription = randomUUID();
      const handle = await host.start(
        { source: { kind: 'azure', subscription, resourceGroup: 'rg', vm: 'web01' } },
        tuning,
      );
      const book = () =>
        plane.environment.client.workflow
          .getHandle(gateIdOf(`azure/${subscription}`))
          .query<GateBook>('gate');
      await until(handle, (now) => stateOf(now, 'acquire') === 'running');
      await expect
        .poll(async () => (await book().catch(() => undefined))?.holders)
        .toMatchObject([{ weight: 3 }]);
      held.open();
      await handle.result();
    });
  });

  it('lets batches in by turns, however many the other one has in line', async () => {
    const order: string[] = [];
    const acquire = () => {
      order.push(Context.current().info.workflowExecution?.workflowId ?? '');
      return sleep(50);
    };
    await withHost({ acquire }, async (host) => {
      const { source, book, setLimit } = await gateSite(plane, 0);
      const name = randomUUID().slice(0, 8);
      const vms = (prefix: string, count: number) =>
        batchVms(host.hostId, `${prefix}-${name}-`, count, { source });
      const large = await batch(plane, { name: `large-${name}`, atOnce: 12 }, vms('large', 12));
      await expect.poll(async () => waitingOf(await book())).toBe(12);
      const small = await batch(plane, { name: `small-${name}` }, vms('small', 3));
      const single = await host.start({ source }, tuning);
      await expect.poll(async () => waitingOf(await book())).toBe(16);
      await setLimit(1);
      await Promise.all([single.result(), small.result(), large.result()]);
      const ofLarge = order.map((id) => id.includes('large'));
      expect(order).toHaveLength(16);
      // All four others are among the first that were let in.
      expect(ofLarge.lastIndexOf(false)).toBeLessThan(9);
    });
  });

  it('heeds a limit that is raised and lowered while migrations run', async () => {
    const held = stop();
    const fetches = countedFetches(() => held.wait());
    await withHost(fetches, async (host) => {
      const site = await gateSite(plane, 1);
      const runs = await Promise.all([1, 2, 3, 4].map(() => start(host, site)));
      await expect.poll(() => fetches.now()).toBe(1);
      await site.setLimit(3);
      await expect.poll(() => fetches.now()).toBe(3);
      await site.setLimit(1);
      await expect(site.setLimit(-1)).rejects.toThrow();
      await expect.poll(async () => holdersOf(await site.book()).length).toBe(3);
      held.open();
      await Promise.all(runs.map((handle) => handle.result()));
      expect(fetches.most()).toBe(3);
    });
  });

  it('says what a migration waits for, and how many go before it', async () => {
    const held = stop();
    await withHost({ acquire: () => held.wait() }, async (host) => {
      const site = await takenSite(host);
      const second = await start(host, site);
      await expect.poll(async () => waitingOf(await site.book())).toBe(1);
      const third = await start(host, site);
      const { doing } = await until(third, isWaiting);
      expect(doing).toBe(`waits for its turn at ${site.key} (1 before it)`);
      await until(second, isWaiting);
      held.open();
      await third.result();
      expect(stateOf(await view(third), 'acquire')).toBe('done');
    });
  });

  it('takes a place back within a lease when its holder is terminated', async () => {
    const held = stop();
    await withHost({ acquire: () => held.wait() }, async (host) => {
      const site = await gateSite(plane, 1);
      const first = await start(host, site);
      await expect.poll(async () => holdersOf(await site.book())).toEqual([first.workflowId]);
      const second = await start(host, site);
      await until(second, isWaiting);
      await first.terminate('by hand');
      const ended = Date.now();
      await expect.poll(async () => holdersOf(await site.book())).toEqual([second.workflowId]);
      expect(Date.now() - ended).toBeLessThan((leaseSeconds + 5) * 1000);
      held.open();
      await second.result();
    });
  });

  it('passes over one that was terminated while it waited', async () => {
    const held = stop();
    await withHost({ acquire: () => held.wait() }, async (host) => {
      const site = await takenSite(host);
      const second = await start(host, site);
      await until(second, isWaiting);
      const third = await start(host, site);
      await until(third, isWaiting);
      await second.terminate('by hand');
      held.open();
      await third.result();
      await expect.poll(() => site.book()).toEqual({ limit: 1, holders: [], lines: [] });
    });
  });

  it('lets a migration that waits be paused, resumed and cancelled', async () => {
    const held = stop();
    await withHost({ acquire: () => held.wait() }, async (host) => {
      const site = await takenSite(host);
      const waiter = await start(host, site);
      await until(waiter, isWaiting);
      await waiter.signal('pause');
      await until(waiter, ({ status }) => status === 'paused');
      await expect.poll(async () => waitingOf(await site.book())).toBe(0);
      await waiter.signal('resume');
      await until(waiter, isWaiting);
      await waiter.cancel();
      await expect(waiter.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(waitingOf(await site.book())).toBe(0);
      expect(host.calls.filter((call) => call === 'acquire')).toHaveLength(1);
      held.open();
    });
  });

  it('has the place back of one that is parked, and lets it in again when it is tried again', async () => {
    const script = {
      acquire: (attempt: number) => {
        if (attempt > 1) return;
        throw ApplicationFailure.nonRetryable('no', 'TRANSFER_DENIED', {
          found: 'a thing',
          remedy: 'do that',
        });
      },
    };
    await withHost(script, async (host) => {
      const site = await gateSite(plane, 1);
      const parked = await start(host, site);
      await until(parked, ({ status }) => status === 'parked');
      expect(holdersOf(await site.book())).toEqual([]);
      await (await start(host, site)).result();
      await resolve(parked, { action: 'retry' });
      await parked.result();
    });
  });

  it('goes on with what it knew when it was terminated', async () => {
    const held = stop();
    const fetches = countedFetches(() => held.wait());
    await withHost(fetches, async (host) => {
      const site = await gateSite(plane, 2);
      const runs = await Promise.all([1, 2, 3].map(() => start(host, site)));
      await expect.poll(async () => waitingOf(await site.book())).toBe(1);
      await expect.poll(() => fetches.now()).toBe(2);
      await site.gate.terminate('by hand');
      // Whoever waits looks for it, and it is there again.
      await expect.poll(async () => (await site.gate.describe()).status.name).toBe('RUNNING');
      const book = await site.book();
      expect([book.limit, holdersOf(book).length, waitingOf(book)]).toEqual([2, 2, 1]);
      held.open();
      await Promise.all(runs.map((handle) => handle.result()));
      expect(fetches.most()).toBe(2);
    });
  });

  it('goes on over continue-as-new with all it knows, and its histories stay short', async () => {
    const fetches = countedFetches(() => sleep(300));
    await withHost(fetches, async (host) => {
      const site = await gateSite(plane, 2, { historyEvents: 40 });
      const { runId } = await site.gate.describe();
      const name = randomUUID().slice(0, 8);
      const vms = batchVms(host.hostId, `${name}-`, 15, { source: site.source });
      await (await batch(plane, { name }, vms)).result();
      expect(fetches.most()).toBeLessThanOrEqual(2);
      const last = await site.gate.describe();
      expect(last.runId).not.toBe(runId);
      expect(last.historyLength).toBeLessThan(200);
      expect(await site.book()).toEqual({ limit: 2, holders: [], lines: [] });
    });
  });

  it('begins when the first comes, and by default lets in some', async () => {
    await withHost({}, async (host) => {
      const key = `https://${randomUUID().slice(0, 8)}.example.com`;
      const disks = [1, 2].map((disk) => `${key}/${disk}.raw`);
      await (await host.start({ source: { kind: 'image', disks } }, tuning)).result();
      const gate = plane.environment.client.workflow.getHandle(gateIdOf(key));
      expect(await gate.query('gate')).toEqual({ limit: defaultLimits.url, holders: [], lines: [] });
      await gate.terminate('by hand');
    });
  });

  it('ends when nobody came for long, unless its limit was set', async () => {
    const idle = await gateSite(plane, 8, { idleSeconds: 1 });
    const kept = await gateSite(plane, 5, { idleSeconds: 1 });
    await idle.gate.result();
    expect((await kept.gate.describe()).status.name).toBe('RUNNING');
    await withHost({}, async (host) => {
      await (await start(host, idle)).result();
    });
  });

  it('costs a migration nothing whose disks lie on the host', async () => {
    await withHost({}, async (host) => {
      const handle = await host.start();
      await handle.result();
      const { events } = await handle.fetchHistory();
      const names = (events ?? []).map(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
      );
      expect(names).toContain('acquire');
      expect(names).not.toContain('callGate');
      expect(events?.some((event) => event.markerRecordedEventAttributes)).toBe(false);
    });
  });
});
