import type { Client } from '@temporalio/client';
import { expect } from 'vitest';

/** temporal.api.enums.v1.EventType */
const [activityScheduled, activityStarted, activityCompleted] = [10, 11, 12] as const;

/** Steps of a migration that are activities on its host. */
const steps = ['preflight', 'acquire', 'convertDisk', 'defineDomain', 'finish'];

export interface Attempts {
  'steps, each completed once': number;
  /** Because what had them was away too long. */
  'steps begun again': number;
}

/** Expects of each migration that it ran once, completed, and that each of its steps was completed exactly once. */
export async function expectDoneOnce(client: Client, migrationIds: readonly string[]): Promise<Attempts> {
  const attempts: Attempts = { 'steps, each completed once': 0, 'steps begun again': 0 };
  for (const workflowId of migrationIds) {
    const runs: string[] = [];
    for await (const { runId } of client.workflow.list({ query: `WorkflowId = '${workflowId}'` }))
      runs.push(runId);
    expect(runs, workflowId).toHaveLength(1);

    const handle = client.workflow.getHandle(workflowId);
    expect((await handle.describe()).status.name).toBe('COMPLETED');
    const { events = [] } = await handle.fetchHistory();
    const of = (type: number) => (events ?? []).filter(({ eventType }) => Number(eventType) === type);
    const nameOf = new Map(
      of(activityScheduled).map(({ eventId, activityTaskScheduledEventAttributes: scheduled }) => [
        String(eventId),
        scheduled?.activityType?.name ?? '',
      ]),
    );
    const done = of(activityCompleted)
      .map(({ activityTaskCompletedEventAttributes: end }) => nameOf.get(String(end?.scheduledEventId)) ?? '')
      .filter((name) => steps.includes(name));
    expect(done.toSorted(), workflowId).toEqual(steps.toSorted());
    attempts['steps, each completed once'] += done.length;
    attempts['steps begun again'] += of(activityStarted).filter(
      ({ activityTaskStartedEventAttributes: start }) => (start?.attempt ?? 1) > 1,
    ).length;
  }
  return attempts;
}

/** A workflow task that a worker could not do, as the history has it: the first attempt of each. */
export interface RefusedTask {
  workflowId: string;
  worker: string;
  message: string;
}

/** Those of all workflows. */
export async function refusedTasks(client: Client): Promise<RefusedTask[]> {
  const refused: RefusedTask[] = [];
  for await (const { workflowId, runId } of client.workflow.list()) {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    for (const { workflowTaskFailedEventAttributes: failed } of events ?? [])
      if (failed)
        refused.push({
          workflowId,
          worker: failed.identity ?? '',
          message: failed.failure?.message ?? '',
        });
  }
  return refused;
}
