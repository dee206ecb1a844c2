import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { StepIo } from '../activities/host/step-io.ts';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import type { DiskProgress, StepName, StepProgress } from '../contracts/steps.ts';

/** Tells the workflow about progress, outside of heartbeats. */
export type ProgressSignal = (workflowId: string, runId: string, progress: StepProgress) => Promise<void>;

const heartbeatEveryMs = 1_000;
/** A heartbeat goes out at least this often while a step has nothing new to say; more often for short timeouts. */
const idleHeartbeatMs = 5_000;
/** Heartbeats that may be late or lost before a step is taken for dead. */
const heartbeatsPerTimeout = 4;
/** The workflow hears of progress first after this long, then at intervals of a tenth of the time passed. */
const firstSignalMs = 20_000;

/**
 * Runs the body of an activity: heartbeats, progress, cancellation and typed failures.
 *
 * @param body gets the StepIo; what it throws becomes an ApplicationFailure whose type is the error code.
 * @param carried goes with each heartbeat, for the next attempt
 */
export async function runActivity<T>(
  step: StepName,
  signalProgress: ProgressSignal,
  body: (io: StepIo) => Promise<T>,
  carried: object = {},
): Promise<T> {
  const context = Context.current();
  const reporter = new ProgressReporter(step, context, signalProgress, carried);
  try {
    return await body({
      signal: context.cancellationSignal,
      report: (doing, disk) => reporter.report(doing, disk),
      log: logOf(context),
    });
  } catch (error) {
    throw activityFailure(error, context);
  } finally {
    reporter.stop();
  }
}

/** Turns anything an activity threw into what Temporal should see. */
function activityFailure(error: unknown, context: Context): Error {
  if (context.cancellationSignal.aborted) {
    // A worker that drains gives the step back; only the workflow's own wish ends it as cancelled.
    if (context.cancellationDetails?.workerShutdown) {
      return applicationFailure(
        new LonghaulError('WORKER_DRAINING', {
          found: 'the worker was stopped in the middle of the step',
          remedy: 'Start it again: the step goes on when the worker of this host is back.',
        }),
      );
    }
    const reason: unknown = context.cancellationSignal.reason;
    return reason instanceof CancelledFailure ? reason : new CancelledFailure('cancelled');
  }
  const known = error instanceof LonghaulError ? error : serverTrouble(error);
  if (known) {
    context.log.warn(known.message, {
      code: known.code,
      remedy: known.remedy,
      cause: known.cause === undefined ? undefined : messageOf(known.cause),
    });
    return applicationFailure(known);
  }
  context.log.error('unexpected error', { error });
  return ApplicationFailure.create({
    message: messageOf(error),
    type: 'INTERNAL',
    nonRetryable: true,
    details: [
      {
        found: messageOf(error),
        remedy: 'This is a defect of Longhaul: please report it with the worker log.',
      },
    ],
    cause: error instanceof Error ? error : undefined,
  });
}

/** What the server, or the way to it, has said to a step that asked it something. */
function serverTrouble(error: unknown): LonghaulError | undefined {
  const wraps = error instanceof ServiceError || error instanceof WorkflowUpdateRPCTimeoutOrCancelledError;
  const said = wraps ? error.cause : error;
  if (!isGrpcServiceError(said)) return undefined;
  return new LonghaulError(
    'TEMPORAL_UNREACHABLE',
    { found: `the Temporal server said: ${said.details}`, remedy: 'It is tried again.' },
    error,
  );
}

function applicationFailure(error: LonghaulError): ApplicationFailure {
  const { found, remedy, details } = error;
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: !error.retryable,
    details: [{ found, remedy, details }],
    cause: error.cause instanceof Error ? error.cause : undefined,
  });
}

function logOf(context: Context): StepIo['log'] {
  return {
    debug: (facts, message) => {
      context.log.debug(message, { ...facts });
    },
    info: (facts, message) => {
      context.log.info(message, { ...facts });
    },
    warn: (facts, message) => {
      context.log.warn(message, { ...facts });
    },
    error: (facts, message) => {
      context.log.error(message, { ...facts });
    },
  };
}

/** Heartbeats what the step last said, and signals the workflow at widening intervals. */
class ProgressReporter {
  private readonly step: StepName;
  private readonly context: Context;
  private readonly signalProgress: ProgressSignal;
  private readonly carried: object;
  private readonly startedMs = Date.now();
  private readonly timer: NodeJS.Timeout;
  private last: StepProgress;
  private lastHeartbeatMs = 0;
  private nextSignalMs = firstSignalMs;

  constructor(step: StepName, context: Context, signalProgress: ProgressSignal, carried: object) {
    this.step = step;
    this.context = context;
    this.signalProgress = signalProgress;
    this.carried = carried;
    this.last = { step, doing: 'starting' };
    // The server says 0 where there is none.
    const timeoutMs = context.info.heartbeatTimeoutMs || Infinity;
    this.timer = setInterval(() => this.beat(), Math.min(idleHeartbeatMs, timeoutMs / heartbeatsPerTimeout));
    this.beat();
  }

  report(doing: string, disk?: DiskProgress): void {
    this.last = { step: this.step, doing, disk };
    if (Date.now() - this.lastHeartbeatMs >= heartbeatEveryMs) this.beat();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    this.lastHeartbeatMs = Date.now();
    this.context.heartbeat({ ...this.last, ...this.carried });
    const elapsedMs = this.lastHeartbeatMs - this.startedMs;
    if (elapsedMs < this.nextSignalMs) return;
    this.nextSignalMs = elapsedMs + Math.max(firstSignalMs, elapsedMs / 10);
    const { workflowExecution } = this.context.info;
    if (!workflowExecution) return;
    this.signalProgress(workflowExecution.workflowId, workflowExecution.runId, this.last).catch(
      (error: unknown) => {
        // Display only: the step goes on, and the next signal may arrive.
        this.context.log.debug('progress signal was not delivered', { reason: messageOf(error) });
      },
    );
  }
}
