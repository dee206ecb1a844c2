import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  type ActivityInterfaceFor,
} from '@temporalio/workflow';
import type { ErrorCode } from '../contracts/error-codes.ts';
import { hostTaskQueue, placementTaskQueue, undoTaskQueue } from '../contracts/queues.ts';
import type {
  FleetActivities,
  HostActivities,
  PlacementActivities,
  Tuning,
  UndoActivities,
} from '../contracts/steps.ts';

/** How long a step may take at most; a step that hangs is caught earlier, by its missing heartbeats. */
export type StepLength = 'short' | 'long';
const startToClose = { short: '30 minutes', long: '14 days' } as const;

const draining: ErrorCode = 'WORKER_DRAINING';

export function retryPolicy(tuning: Tuning) {
  return {
    initialInterval: (tuning.retryInitialSeconds ?? 2) * 1000,
    backoffCoefficient: 2,
    maximumInterval: '5 minutes',
    maximumAttempts: tuning.retryMaximumAttempts ?? 10,
  } as const;
}

/** Activities of one host. `summary` is what the Temporal UI shows beside the activity's name. */
export function hostActivities(hostId: string, tuning: Tuning) {
  return (summary: string, length: StepLength = 'long'): ActivityInterfaceFor<HostActivities> =>
    begunAgain(
      proxyActivities<HostActivities>({
        taskQueue: hostTaskQueue(hostId),
        summary,
        startToCloseTimeout: startToClose[length],
        heartbeatTimeout: (tuning.heartbeatTimeoutSeconds ?? 30) * 1000,
        retry: { ...retryPolicy(tuning), nonRetryableErrorTypes: [draining] },
        cancellationType: 'WAIT_CANCELLATION_COMPLETED',
      }),
    );
}

/**
 * A step that a stopping worker gave back did not fail: it is scheduled anew, its attempts uncounted, however
 * often workers are restarted.
 */
export function begunAgain<T extends object>(activities: T): T {
  return new Proxy(activities, {
    get: (target, name) => {
      const activity = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
      const begin = (...args: unknown[]): Promise<unknown> =>
        activity(...args).catch((error: unknown) => {
          if (isDraining(error)) return begin(...args);
          throw error;
        });
      return begin;
    },
  });
}

function isDraining(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure && cause.type === draining;
}

/**
 * Compensations of one host, on a queue of their own. They are tried for a quarter of an hour; what a host
 * that is gone still holds after that is removed by its janitor when its worker starts again.
 */
export function compensationActivities(hostId: string, tuning: Tuning): ActivityInterfaceFor<UndoActivities> {
  return proxyActivities<UndoActivities>({
    taskQueue: undoTaskQueue(hostId),
    summary: 'undo',
    startToCloseTimeout: '10 minutes',
    scheduleToCloseTimeout: '15 minutes',
    heartbeatTimeout: (tuning.heartbeatTimeoutSeconds ?? 30) * 1000,
    retry: { ...retryPolicy(tuning), maximumAttempts: Infinity },
  });
}

/** What any host can do for the fleet. It goes on until it was done: a batch must not end for want of a worker. */
export function fleetActivities(summary: string): ActivityInterfaceFor<FleetActivities> {
  return proxyActivities<FleetActivities>({
    taskQueue: placementTaskQueue,
    summary,
    startToCloseTimeout: '1 minute',
    retry: { ...retryPolicy({}), maximumAttempts: Infinity, maximumInterval: '1 minute' },
  });
}

/** Placement may wait for days until a host has room; each try is short. */
export function placementActivities(tuning: Tuning): ActivityInterfaceFor<PlacementActivities> {
  return proxyActivities<PlacementActivities>({
    taskQueue: placementTaskQueue,
    summary: 'find a host',
    startToCloseTimeout: '1 minute',
    retry: { ...retryPolicy(tuning), maximumAttempts: Infinity, maximumInterval: '1 minute' },
  });
}
