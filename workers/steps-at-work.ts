import { LonghaulError } from '../contracts/errors.ts';
import type { RunRef } from '../contracts/values.ts';

interface AtWork {
  stop: AbortController;
  ended: Promise<unknown>;
}

/**
 * Steps that run in this process, by their run. One that the server has given up, on a host that was cut off, may still
 * be at work when its run is undone: it must not make anew what is being removed.
 */
export class StepsAtWork {
  private readonly byRun = new Map<string, Set<AtWork>>();

  /** Runs a step of a run; `signal` aborts when the run is undone. */
  async run<T>(run: RunRef, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const key = keyOf(run);
    const steps = this.byRun.get(key) ?? new Set();
    this.byRun.set(key, steps);
    const stop = new AbortController();
    const result = work(stop.signal);
    const step = { stop, ended: result.catch(() => undefined) };
    steps.add(step);
    try {
      return await result;
    } finally {
      steps.delete(step);
      if (steps.size === 0) this.byRun.delete(key);
    }
  }

  /** Stops what is at work for a run, and waits until it has ended. */
  async stop(run: RunRef): Promise<void> {
    const steps = [...(this.byRun.get(keyOf(run)) ?? [])];
    const reason = new LonghaulError('WORK_LOCKED', {
      found: 'what the step makes is being removed',
      remedy: 'The migration does not wait for it any more.',
    });
    for (const { stop } of steps) stop.abort(reason);
    await Promise.all(steps.map(({ ended }) => ended));
  }
}

const keyOf = ({ migrationId, runId }: RunRef) => JSON.stringify([migrationId, runId]);
