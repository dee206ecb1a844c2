import { LonghaulError } from '../../../contracts/errors.ts';
import { pause } from '../../host/pause.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { AzureConnection } from './connect.ts';

/** Between two looks at what Azure makes by itself. */
const pollMs = 2_000;
/** Azure does in minutes what it is told to, if at all. */
const operationLimitMs = 60 * 60_000;

interface Wait<T> {
  /** Completes "waiting for": `the snapshot longhaul-1 to be made`. */
  what: string;
  look: () => Promise<T>;
  isOver: (seen: T) => boolean;
  /** How far it is, for people. */
  progress?: (seen: T) => string;
  limitMs?: number;
}

/** Looks again and again until it is over. @throws LonghaulError AZURE_FAILED, retryable, when the limit is passed */
export async function waitFor<T>(
  { what, look, isOver, progress, limitMs = operationLimitMs }: Wait<T>,
  io: StepIo,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (isOver(seen)) return seen;
    if (performance.now() >= endMs) throw tooLong(what, limitMs);
    io.report(`waiting for ${what}${progress === undefined ? '' : `: ${progress(seen)}`}`);
    await pause(Math.min(pollMs, limitMs), io.signal);
  }
}

/** The part of the SDK's PollerLike that is used. */
interface Operation<T> {
  pollUntilDone(options: { abortSignal: AbortSignal }): Promise<T>;
  onProgress(told: () => void): unknown;
}

/**
 * Begins what takes Azure some time, and waits for its end. The signal ends both, and a first request too that waits
 * to be sent again.
 *
 * @param doing as of {@link AzureConnection.ask}, and its errors
 */
export async function operate<T>(
  azure: AzureConnection,
  doing: string,
  io: StepIo,
  begin: (options: { abortSignal: AbortSignal }) => Operation<T>,
  limitMs = operationLimitMs,
): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  const options = { abortSignal: AbortSignal.any([io.signal, limit]) };
  try {
    return await azure.ask(doing, () => {
      const operation = begin(options);
      operation.onProgress(() => {
        io.report(`waiting for Azure to ${doing}`);
      });
      return operation.pollUntilDone(options);
    });
  } catch (error) {
    io.signal.throwIfAborted();
    if (limit.aborted) throw tooLong(`Azure to ${doing}`, limitMs);
    throw error;
  }
}

function tooLong(what: string, limitMs: number): LonghaulError {
  return new LonghaulError('AZURE_FAILED', {
    found: `${what}: waited for ${duration(limitMs)}, and it is not done`,
    remedy:
      'It is tried again. If it stays, look at the activity log of the resource and the state of Azure.',
  });
}

const duration = (ms: number) =>
  ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / 60_000)} minutes`;
