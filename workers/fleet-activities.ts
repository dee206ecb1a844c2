import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { HostWord } from '../contracts/hosts.ts';
import { underWayOn } from '../contracts/migration-start.ts';
import type { FleetActivities } from '../contracts/steps.ts';
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
    try {
      // By name: importing the definition would load the workflow SDK into this process.
      await client.workflow.getHandle(workflowId).signal('host-word', word);
    } catch (error) {
      // It has ended meanwhile.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
}

/** Id of the first run of the execution that is under way; a reset keeps it. */
async function runningOf(client: Client, workflowId: string): Promise<string | undefined> {
  try {
    const { status, raw } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return undefined;
    return raw.workflowExecutionInfo?.firstRunId ?? undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
