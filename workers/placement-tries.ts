import { Context } from '@temporalio/activity';
import { LonghaulError } from '../contracts/errors.ts';
import type { StepProgress } from '../contracts/steps.ts';

/** Tries in which another host may turn out to be the better one, before the operator is asked. */
const triesElsewhere = 3;
/** Nor is the operator asked while a host that had no slot only was heard so lately: many hosts, and a try a minute. */
const busyHeardMs = 3_600_000;

/** What one try of a placement leaves to the next, whichever host makes it: in its heartbeats, which the server keeps. */
export interface Tries {
  /** When a host last said that the VM fits there, were it not busy: the server's clock, milliseconds since 1970. */
  busyAt?: number;
}

/** A detail of the refusal of a host that has what the VM needs, only not now. */
export const fitsLater = { fitsLater: true };

/** What is lacking here may be on another host: on one that was not asked yet, or that is only busy. */
export function mayBeElsewhere(): boolean {
  const { attempt, currentAttemptScheduledTimestampMs: now } = Context.current().info;
  return attempt < triesElsewhere || now - (earlierTries().busyAt ?? 0) < busyHeardMs;
}

export function earlierTries(): Tries {
  const { busyAt } = (Context.current().info.heartbeatDetails ?? {}) as Tries;
  return busyAt === undefined ? {} : { busyAt };
}

/** To be called last: a later heartbeat would take its place. */
export function leaveToNextTry(error: unknown, said: StepProgress): void {
  const isFit = error instanceof LonghaulError && error.details['fitsLater'] === true;
  const { info } = Context.current();
  const tries = isFit ? { busyAt: info.currentAttemptScheduledTimestampMs } : earlierTries();
  Context.current().heartbeat({ ...said, ...tries });
}
