import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';

/** What a server is told of a namespace takes this long to reach its other processes; they ask every 10 seconds. */
const spreadMs = 30_000;

/**
 * Asks until the server does not refuse with this status any more, because it has heard of what is asked about.
 * Throws the refusal when that takes longer than such news may.
 *
 * @param status gRPC status code, grpc/statuscodes.md
 */
export async function untilAnswered(ask: () => Promise<unknown>, status: number): Promise<void> {
  const deadline = Date.now() + spreadMs;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (Date.now() > deadline || !isGrpcServiceError(error) || (error.code as number) !== status)
        throw error;
      await sleep(250);
    }
  }
}
