import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Connection,
  type WorkflowClientInterceptor,
} from '@temporalio/client';
import { workflowTaskQueue } from '../contracts/queues.ts';
import { progressQuery } from '../workflows/messages.ts';
import { recentPollers } from './pollers.ts';

/** Below the 20 s after which the server says of an update that it has begun, and no more. */
const attemptMs = 15_000;
/**
 * No attempt begins later. A host that was cut off seems to wait for work as long as its last polls last, a minute at most,
 * and each of them takes one workflow task along, which the server gives to somebody else ten seconds later.
 */
const patienceMs = 60_000;
/** The server refuses at once where a task was lost before, until somebody takes the next. */
const pauseMs = 2_000;
/** Who is there answers sooner. */
const silenceMs = 6_000;
const lookTimeoutMs = 3_000;

/** Its asker has other sources, and cannot wait. */
const askedOnce: ReadonlySet<string> = new Set([progressQuery.name]);

interface Asked {
  connection: Connection;
  namespace: string;
  /** Called when an answer takes long, and not again before there was one. */
  onSilence?: ((words: string) => void) | undefined;
}

/**
 * Asks workflows again while nobody answers and there are workers: the same update under its own id, which the server
 * takes once, and a query anew. In the end it throws what says most of the attempts.
 */
export function askingAgain(asked: Asked): WorkflowClientInterceptor {
  let isTold = false;
  const persist = async <T>(ask: () => Promise<T>): Promise<T> => {
    const silence = setTimeout(() => {
      if (!isTold) asked.onSilence?.('No answer yet. It is asked for again, for a minute or so.');
      isTold = true;
    }, silenceMs);
    try {
      const answer = await untilAnswered(asked, ask);
      isTold = false;
      return answer;
    } finally {
      clearTimeout(silence);
    }
  };
  return {
    startUpdate: (input, next) => {
      const options = { updateId: randomUUID(), ...input.options };
      return persist(() => next({ ...input, options }));
    },
    startUpdateWithStart: (input, next) => {
      const updateOptions = { updateId: randomUUID(), ...input.updateOptions };
      return persist(() => next({ ...input, updateOptions }));
    },
    query: (input, next) => (askedOnce.has(input.queryType) ? next(input) : persist(() => next(input))),
  };
}

async function untilAnswered<T>(asked: Asked, ask: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + patienceMs;
  let unanswered: unknown;
  for (;;) {
    try {
      return await asked.connection.withDeadline(Date.now() + attemptMs, ask);
    } catch (error) {
      if (!isUnanswered(error) || error instanceof QueryNotRegisteredError) throw error;
      // An update that the server has taken may still be done, whatever it says later.
      if (!(unanswered instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) unanswered = error;
    }
    if (!(await hasWorker(asked))) throw unanswered;
    await sleep(pauseMs);
    if (Date.now() > giveUpAt) throw unanswered;
  }
}

async function hasWorker({ connection, namespace }: Asked): Promise<boolean> {
  try {
    const pollers = await connection.withDeadline(Date.now() + lookTimeoutMs, () =>
      recentPollers({ connection, namespace }, workflowTaskQueue, 'workflow'),
    );
    return pollers.length > 0;
  } catch {
    // A server that does not answer either; whoever asked hears of the question that failed.
    return false;
  }
}

/** True when a question failed because no worker took it: none polls, none answered in time, or it is too old. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof QueryNotRegisteredError) return true;
  const grpc = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(grpc) && [1, 4, 9].includes(grpc.code); // CANCELLED, DEADLINE_EXCEEDED, FAILED_PRECONDITION
}
