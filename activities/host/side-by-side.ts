import type { StepIo } from './step-io.ts';

/**
 * Does the same with all of them at once, and waits for all. When one fails the others are stopped.
 *
 * @throws the reason of the one that failed first; on abort, the signal's reason
 */
export async function sideBySide<T, R>(
  items: readonly T[],
  io: StepIo,
  each: (item: T, io: StepIo) => Promise<R>,
): Promise<R[]> {
  const stop = new AbortController();
  const together: StepIo = { ...io, signal: AbortSignal.any([io.signal, stop.signal]) };
  const work = items.map(async (item) => {
    try {
      return await each(item, together);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(work);
  io.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return Promise.all(work);
}
