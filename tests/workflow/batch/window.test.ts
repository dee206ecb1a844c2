import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlPlane, until, type ControlPlane } from '../../support/control-plane.ts';
import { batch, batchVms, untilBatch } from '../../support/batch-site.ts';
import { gate } from '../../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

const minuteMs = 60_000;
const clock = (ms: number) => new Date(ms).toISOString().slice(11, 16);

it(
  'stops what is under way when the window of its wave closes, and goes on when it opens again',
  { timeout: 4 * minuteMs },
  async () => {
    let fetches = 0;
    const held = gate();
    const host = await plane.host({
      acquire: async () => {
        fetches += 1;
        await held.wait();
      },
    });
    // Not so short before the edge that nothing would have begun.
    while (Date.now() % minuteMs > 40_000) await new Promise((done) => setTimeout(done, 1_000));
    const edge = Math.ceil(Date.now() / minuteMs) * minuteMs;
    // Closed for one minute of the day: the next.
    const window = { from: clock(edge + minuteMs), to: clock(edge), timeZone: 'UTC' };
    const name = `window-${randomUUID().slice(0, 8)}`;
    const vms = batchVms(host.hostId, `${name}-`, 3);
    const handle = await batch(
      plane,
      { name, atOnce: 2, waves: [{ name: 'all', approval: false, window }] },
      vms,
    );
    const first = plane.environment.client.workflow.getHandle(vms[0]?.migrationId ?? '');
    await expect.poll(() => fetches).toBe(2);

    await new Promise((done) => setTimeout(done, edge - Date.now()));
    const closed = await untilBatch(handle, ({ status }) => status === 'waiting for its window');
    expect(new Date(closed.windowEdgeAt ?? '').getTime()).toBe(edge + minuteMs);
    await until(first, ({ status }) => status === 'paused');
    // A place that became free is given to nobody.
    await first.cancel();
    await untilBatch(handle, ({ counts }) => counts.failed === 1 || counts.running < 2);
    expect(fetches).toBe(2);

    await new Promise((done) => setTimeout(done, edge + minuteMs - Date.now()));
    held.open();
    expect(await handle.result()).toMatchObject({ status: 'completed', counts: { completed: 2, failed: 1 } });
    expect(Date.now()).toBeGreaterThan(edge + minuteMs);
    // Of the one that went on, and of the third.
    expect(fetches).toBe(4);
    await host.stop();
  },
);
