import type { WorkflowExecutionDescription, WorkflowExecutionInfo, WorkflowHandle } from '@temporalio/client';
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { LoadedDataConverter } from '@temporalio/common';
import { LonghaulError } from '../contracts/errors.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import type {
  MigrationInput,
  MigrationReport,
  MigrationStatus,
  MigrationView,
  StepName,
  StepProgress,
} from '../contracts/steps.ts';
import { stepNames } from '../contracts/steps.ts';
import { progressQuery } from '../workflows/messages.ts';
import { isUnanswered } from './ask-again.ts';
import type { TemporalLink } from './connect.ts';
import { Hosts } from './hosts.ts';
import { asStepProgress, mergeProgress, viewOfReport, type LiveView, type Retry } from './live-view.ts';
import { fromFailure } from './temporal-errors.ts';

/** temporal.api.enums.v1.PendingActivityState: a worker has it. */
const started = 2;
const heardOfSeconds = 15;
/** Long enough for a worker that has to replay the workflow first on a busy host. */
const workerTimeoutMs = 6_000;

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/**
 * The view of one migration: the workflow's answer to the progress query, with the heartbeats of its running
 * activities on top. When no worker answers in time, what the server knows by itself, and `answeredBy` says so.
 */
export async function readLiveView(link: TemporalLink, handle: WorkflowHandle): Promise<LiveView> {
  const description = await handle.describe();
  const converter = link.client.options.loadedDataConverter;
  const pending = await pendingActivities(description, converter);
  const asked = await askWorker(link, handle);
  const view = asked ?? (await viewWithoutWorker(link, handle, description, pending.news));
  const waitsForHost = await missingHost(link, view, pending);
  return {
    ...(waitsForHost ? atRest(view, waitsForHost) : mergeProgress(view, pending.news)),
    answeredBy: asked === undefined ? 'server' : 'worker',
    retries: pending.retries,
    startedAt: description.startTime.toISOString(),
    ...(description.closeTime === undefined ? {} : { endedAt: description.closeTime.toISOString() }),
  };
}

/** The last that was heard of bytes says nothing any more. */
const atRest = (view: MigrationView, waitsForHost: { since?: string }) => ({
  ...view,
  doing: undefined,
  disks: [],
  waitsForHost,
});

/** Nobody is asked while a worker is heard of. */
async function missingHost(
  link: TemporalLink,
  { status, hostId, hostGone }: MigrationView,
  { isAwaited }: Pending,
): Promise<LiveView['waitsForHost']> {
  if (hostGone !== undefined) return { since: hostGone };
  if (status !== 'running' || hostId === undefined || !isAwaited) return undefined;
  try {
    const { state, gone } = await new Hosts(link, (work) => work()).view(hostId);
    return state === 'gone' ? { since: gone } : undefined;
  } catch (error) {
    // A host that is not in the book has never had a worker.
    if (error instanceof LonghaulError && error.code === 'HOST_NOT_FOUND') return {};
    throw error;
  }
}

async function askWorker(link: TemporalLink, handle: WorkflowHandle): Promise<MigrationView | undefined> {
  try {
    return await link.connection.withDeadline(Date.now() + workerTimeoutMs, () =>
      handle.query(progressQuery),
    );
  } catch (error) {
    if (isUnanswered(error)) return undefined;
    throw error;
  }
}

interface Pending {
  news: StepProgress[];
  retries: Retry[];
  /** There is something to do, and no worker has been heard of lately that does it. */
  isAwaited: boolean;
}

async function pendingActivities(
  description: WorkflowExecutionDescription,
  converter: LoadedDataConverter,
): Promise<Pending> {
  const activities = description.raw.pendingActivities ?? [];
  const isAwaited = activities.length > 0 && !activities.some(isHeardOf);
  const pending: Pending = { news: [], retries: [], isAwaited };
  for (const activity of activities) {
    const payloads = activity.heartbeatDetails?.payloads;
    if (payloads != null && payloads.length > 0) {
      const progress = asStepProgress(await decodeFromPayloadsAtIndex<unknown>(converter, 0, payloads));
      if (progress !== undefined) pending.news.push(progress);
    }
    const attempt = activity.attempt ?? 1;
    if (attempt < 2) continue;
    const failure = await decodeOptionalFailureToOptionalError(converter, activity.lastFailure);
    const next = activity.nextAttemptScheduleTime ?? undefined;
    pending.retries.push({
      what: activity.activityType?.name ?? 'a step',
      attempt,
      found: failure === undefined ? 'the worker was lost' : fromFailure(failure, '').found,
      ...(next === undefined ? {} : { nextAt: new Date(Number(next.seconds ?? 0) * 1000).toISOString() }),
    });
  }
  return pending;
}

/** A worker that is at it says so every few seconds. */
function isHeardOf(activity: PendingActivity): boolean {
  const lastSeconds = [activity.lastHeartbeatTime, activity.lastStartedTime].map((at) =>
    Number(at?.seconds ?? 0),
  );
  return Number(activity.state) === started && Date.now() / 1000 - Math.max(...lastSeconds) < heardOfSeconds;
}

/**
 * Built from the start event, the search attributes and the heartbeats. Steps that are not known are left out;
 * the spec is the one it was started with, amendments are known to the workflow alone.
 */
async function viewWithoutWorker(
  link: TemporalLink,
  handle: WorkflowHandle,
  description: WorkflowExecutionDescription,
  news: StepProgress[],
): Promise<MigrationView> {
  const { spec } = await readInput(link, description);
  const { status, step, host } = rowFacts(description);
  if (description.status.name === 'COMPLETED')
    return viewOfReport((await handle.result()) as MigrationReport, spec);
  const startedAt = description.startTime.toISOString();
  const endedAt = (description.closeTime ?? description.startTime).toISOString();
  const running = news[0]?.step ?? (status === 'running' ? step : undefined);
  const failure = await failureOf(handle, description);
  return {
    migrationId: description.workflowId,
    vm: spec.name,
    status,
    pausing: false,
    steps: [
      ...(running === undefined ? [] : [{ name: running, state: { status: 'running' as const, startedAt } }]),
      ...(failure === undefined || step === undefined
        ? []
        : [{ name: step, state: { status: 'failed' as const, startedAt, endedAt, failure } }]),
    ],
    disks: [],
    spec,
    ...(host === undefined ? {} : { hostId: host }),
    ...(failure === undefined ? {} : { failure }),
  };
}

async function failureOf(
  handle: WorkflowHandle,
  description: WorkflowExecutionDescription,
): Promise<MigrationView['failure']> {
  if (['RUNNING', 'COMPLETED', 'PAUSED'].includes(description.status.name)) return undefined;
  try {
    await handle.result();
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const { code, message, found, remedy } = fromFailure(cause, description.workflowId);
    return { code, message, found, remedy };
  }
}

/** The workflow's input, from the first event of its history. */
async function readInput(
  link: TemporalLink,
  description: WorkflowExecutionDescription,
): Promise<MigrationInput> {
  const { history } = await link.connection.workflowService.getWorkflowExecutionHistory({
    namespace: link.namespace,
    execution: { workflowId: description.workflowId, runId: description.runId },
    maximumPageSize: 1,
  });
  const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads;
  return decodeFromPayloadsAtIndex<MigrationInput>(link.client.options.loadedDataConverter, 0, payloads);
}

/** What Temporal's visibility records say of a migration. */
export function rowFacts(info: Pick<WorkflowExecutionInfo, 'status' | 'typedSearchAttributes'>): {
  status: MigrationStatus;
  step?: StepName;
  host?: string;
  vm?: string;
  source?: string;
} {
  const attributes = info.typedSearchAttributes;
  const step = stepNames.find((name) => name === attributes.get(searchAttributes.step));
  const [host, vm, source] = [searchAttributes.host, searchAttributes.vm, searchAttributes.source].map(
    (key) => attributes.get(key),
  );
  return {
    status: statusOf(info.status.name, attributes.get(searchAttributes.state)),
    ...(step === undefined ? {} : { step }),
    ...(host === undefined ? {} : { host }),
    ...(vm === undefined ? {} : { vm }),
    ...(source === undefined ? {} : { source }),
  };
}

/** The server knows how a workflow closed; the attribute tells the finer state while it runs. */
function statusOf(
  execution: WorkflowExecutionInfo['status']['name'],
  attribute: string | undefined,
): MigrationStatus {
  switch (execution) {
    case 'COMPLETED':
      return 'completed';
    case 'CANCELLED':
      return 'cancelled';
    case 'FAILED':
      return attribute === 'aborted' ? 'aborted' : 'failed';
    case 'TERMINATED':
    case 'TIMED_OUT':
      return 'failed';
    case 'RUNNING':
    case 'PAUSED':
    case 'CONTINUED_AS_NEW':
    case 'UNSPECIFIED':
    case 'UNKNOWN':
      return attribute === 'parked' || attribute === 'paused' ? attribute : 'running';
  }
}
