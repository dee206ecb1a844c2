import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SessionPool } from '../../../activities/guest/session-pool.ts';

const run = { migrationId: 'm', runId: '1' };

function guest() {
  const session = {
    alive: true,
    close: () => {
      session.alive = false;
      return Promise.resolve();
    },
  };
  return { session };
}

describe('the sessions kept between steps', () => {
  it('are handed to the next step of the same run on the same overlays, once', async () => {
    const pool = new SessionPool(60_000);
    const kept = guest();
    await pool.put(run, 'overlay 1', kept);
    expect(await pool.take({ ...run, runId: '2' }, 'overlay 1')).toBeUndefined();
    expect(await pool.take(run, 'overlay 1')).toBe(kept);
    expect(await pool.take(run, 'overlay 1')).toBeUndefined();
    expect(kept.session.alive).toBe(true);
  });

  it('are closed when the overlays are others by now', async () => {
    const pool = new SessionPool(60_000);
    const kept = guest();
    await pool.put(run, 'overlay 1', kept);
    expect(await pool.take(run, 'overlay 2')).toBeUndefined();
    expect(kept.session.alive).toBe(false);
  });

  it('are not handed out dead', async () => {
    const pool = new SessionPool(60_000);
    const kept = guest();
    await pool.put(run, 'overlay 1', kept);
    kept.session.alive = false;
    expect(await pool.take(run, 'overlay 1')).toBeUndefined();
  });

  it('are closed when nobody takes them within the idle limit', async () => {
    const pool = new SessionPool(5);
    const kept = guest();
    await pool.put(run, 'overlay 1', kept);
    await sleep(50);
    expect(kept.session.alive).toBe(false);
    expect(await pool.take(run, 'overlay 1')).toBeUndefined();
  });

  it('make room for other machines, the oldest first and never the one that is about to be taken', async () => {
    const pool = new SessionPool(60_000);
    const [first, second, third] = [guest(), guest(), guest()];
    await pool.put(run, 'overlay', first);
    await pool.put({ ...run, runId: '2' }, 'overlay', second);
    await pool.put({ ...run, runId: '3' }, 'overlay', third);
    const alive = () => [first, second, third].map(({ session }) => session.alive);
    await pool.keepAtMost(3, run);
    expect(alive()).toEqual([true, true, true]);
    await pool.keepAtMost(2, run);
    expect(alive()).toEqual([true, false, true]);
    await pool.keepAtMost(0, run);
    expect(alive()).toEqual([true, false, false]);
    expect(await pool.take(run, 'overlay')).toBe(first);
  });

  it('are all closed at the end of the worker, and one of a run replaced by its next', async () => {
    const pool = new SessionPool(60_000);
    const [first, second, other] = [guest(), guest(), guest()];
    await pool.put(run, 'overlay 1', first);
    await pool.put(run, 'overlay 2', second);
    await pool.put({ ...run, runId: '2' }, 'overlay 3', other);
    expect([first, second, other].map(({ session }) => session.alive)).toEqual([false, true, true]);
    await pool.close();
    expect([second, other].map(({ session }) => session.alive)).toEqual([false, false]);
  });
});
