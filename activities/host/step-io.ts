import type { DiskProgress } from '../../contracts/steps.ts';

/** The part of pino's logger that activities use. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/**
 * What a running step may do towards the outside: notice that it was cancelled, say what it is doing, log.
 * The worker makes one from the Temporal activity context; tests make their own.
 */
export interface StepIo {
  /** Aborts on cancellation, worker shutdown and lost heartbeats. Long work must honour it. */
  readonly signal: AbortSignal;
  /** Says what is going on; becomes a heartbeat. Cheap, may be called often. */
  report(doing: string, disk?: DiskProgress): void;
  readonly log: Log;
}
