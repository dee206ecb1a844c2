import type { StepIo } from './step-io.ts';

/**
 * Does the same with all of them at once, and waits for all. When one fails the others are stopped.
 *
 * @param atOnce so many, when not all
 * @throws the reason of the one that failed first; on abort, the signal's reason
 */
export async function sideBySide<T, R>(
  items: readonly T[],
  io: StepIo,
  each: (item: T, io: StepIo) => Promise<R>,
  atOnce = Infinity,
): Promise<R[]> {
  const stop = new AbortController();
  const together: StepIo = { ...io, signal: AbortSignal.any([io.signal, stop.signal]) };
  const results = new Array<R>(items.length);
  const queue = items.entries();
  const lane = async () => {
    for (const [index, item] of queue) {
      if (stop.signal.aborted) return;
      results[index] = await each(item, together).catch((error: unknown) => {
        stop.abort(error);
        throw error;
      });
    }
  };
  await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  io.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return results;
}

/**
 * Does the same with all of them at once. One that fails does not keep the others from being done.
 *
 * @throws what the first of them failed with
 */
export async function eachOfAll<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  throwFirst(await Promise.allSettled(items.map(each)));
}

/** Does one after the other, whether or not one before failed. @throws what the first failed with */
export async function oneByOne(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const done: PromiseSettledResult<void>[] = [];
  for (const step of steps) done.push(...(await Promise.allSettled([step()])));
  throwFirst(done);
}

function throwFirst(done: readonly PromiseSettledResult<void>[]): void {
  for (const one of done) if (one.status === 'rejected') throw one.reason;
}
