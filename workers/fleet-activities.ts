import type { Client } from '@temporalio/client';
import type { HostWord } from '../contracts/hosts.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import { underWayOn } from '../contracts/migration-start.ts';
import type { FleetActivities } from '../contracts/steps.ts';
import { orNothing } from './or-nothing.ts';
import { callGate } from './start-gate.ts';

/** What any host can do for the fleet: ask the server about other workflows, and speak to them. */
export function createFleetActivities(client: Client): FleetActivities {
  return {
    async findEnded(workflowIds) {
      const ended: string[] = [];
      for (const id of workflowIds) if ((await runningOf(client, id)) === undefined) ended.push(id);
      return ended;
    },
    async findEndedRuns(runs) {
      const ended: string[] = [];
      for (const { migrationId, runId } of runs)
        if ((await runningOf(client, migrationId)) !== runId) ended.push(runId);
      return ended;
    },
    async isUnderWayElsewhere(migrationId, batchId, begunAt) {
      const described = await underWay(client, migrationId);
      if (described === undefined) return false;
      // One before of that name may have been ended from outside, and what it had under way goes on.
      const isOlder = begunAt !== undefined && described.startTime < new Date(begunAt);
      return isOlder || described.typedSearchAttributes.get(searchAttributes.batch) !== batchId;
    },
    callGate: (input, call) => callGate(client, input, call),
    tellMigrations: (word) => tellMigrations(client, word),
  };
}

/** More than any host has under way; those beyond see it in `longhaul status`. */
const mostTold = 1000;

async function tellMigrations(client: Client, word: HostWord): Promise<void> {
  let told = 0;
  for await (const { workflowId } of client.workflow.list({ query: underWayOn(word.hostId) })) {
    if ((told += 1) > mostTold) return;
    // By name: importing the definition would load the workflow SDK into this process.
    await orNothing(client.workflow.getHandle(workflowId).signal('host-word', word));
  }
}

/** Id of the first run of the execution that is under way; a reset keeps it. */
async function runningOf(client: Client, workflowId: string): Promise<string | undefined> {
  const described = await underWay(client, workflowId);
  return described?.raw.workflowExecutionInfo?.firstRunId ?? undefined;
}

/** @returns undefined unless it is under way */
async function underWay(client: Client, workflowId: string) {
  const described = await orNothing(client.workflow.getHandle(workflowId).describe());
  return described !== undefined && ['RUNNING', 'PAUSED'].includes(described.status.name)
    ? described
    : undefined;
}
