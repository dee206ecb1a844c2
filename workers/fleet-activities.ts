import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { FleetActivities } from '../contracts/steps.ts';

/** What any host can do for the fleet: ask the server about other workflows. */
export function createFleetActivities(client: Client): FleetActivities {
  return {
    async findEnded(workflowIds) {
      const ended: string[] = [];
      for (const id of workflowIds) if (!(await runs(client, id))) ended.push(id);
      return ended;
    },
  };
}

async function runs(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
