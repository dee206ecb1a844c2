import { setTimeout as sleep } from 'node:timers/promises';
import type { StepIo } from '../activities/host/step-io.ts';
import { RateLimit } from '../activities/transfer/rate-limit.ts';
import { messageOf } from '../contracts/errors.ts';
import { gatesOf, type GateBook, shareOf } from '../contracts/gates.ts';
import type { StepContext } from '../contracts/steps.ts';

/** How often a gate is asked for the share: a budget that was changed holds within that. */
const defaultEveryMs = 15_000;

/** Asks a gate what it knows. */
export type AskGate = (key: string) => Promise<GateBook | undefined>;

/**
 * Fetches under the budgets of bandwidth of the gates that a migration is within. They are shared with all others within,
 * on whatever host; the share follows as those come and go.
 *
 * @param work gets a limit for each gate
 */
export async function withSharedBudgets<T>(
  { spec, run: { migrationId } }: StepContext,
  ask: AskGate,
  io: StepIo,
  work: (limits: readonly RateLimit[]) => Promise<T>,
  everyMs = defaultEveryMs,
): Promise<T> {
  const ended = new AbortController();
  const signal = AbortSignal.any([io.signal, ended.signal]);
  const watched = gatesOf(spec, 1).map(async ({ key }) => {
    const limit = new RateLimit(Infinity);
    const renew = async () => {
      const book = await ask(key);
      limit.change(book === undefined ? Infinity : shareOf(book, migrationId));
    };
    // Nothing is fetched before the share is known.
    io.report(`asks ${key} for its share`);
    await renew();
    void keepUp(renew, everyMs, io, signal);
    return limit;
  });
  try {
    return await work(await Promise.all(watched));
  } finally {
    ended.abort();
  }
}

async function keepUp(
  renew: () => Promise<void>,
  everyMs: number,
  io: StepIo,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    // Only its end can reject.
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    await renew().catch((error: unknown) => {
      // The last share holds until the server answers again.
      io.log.debug({ reason: messageOf(error) }, 'a gate did not tell its share');
    });
  }
}
