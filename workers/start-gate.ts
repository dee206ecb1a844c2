import { type Client, QueryNotRegisteredError, WorkflowNotFoundError } from '@temporalio/client';
import { gateIdOf, keyOfGate, type GateBook, type GateCall, type GateInput } from '../contracts/gates.ts';
import { workflowTaskQueue } from '../contracts/queues.ts';

/** Calls a gate; one that does not run is started, see `gateStart`. */
export async function callGate(client: Client, input: GateInput, call: GateCall): Promise<void> {
  try {
    // By name: importing the definition would load the workflow SDK into this process.
    await client.workflow.getHandle(gateIdOf(input.key)).signal('call', call);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    await client.workflow.signalWithStart('sourceGate', {
      ...(await gateStart(client, input)),
      signal: 'call',
      signalArgs: [call],
    });
  }
}

/**
 * How a gate is started that does not run. If somebody ended it, it goes on with what it knew: those within are
 * still within.
 */
export async function gateStart(client: Client, input: GateInput) {
  const book = await gateBook(client, input.key);
  return {
    workflowId: gateIdOf(input.key),
    taskQueue: workflowTaskQueue,
    args: [{ ...input, ...(book ? { book } : {}) }] as [GateInput],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `limit of disks at once: ${input.key}`.slice(0, 200),
  } as const;
}

/** Keys of the gates that there are now. */
export async function runningGates(client: Client): Promise<string[]> {
  const keys = new Set<string>();
  const query = "WorkflowType = 'sourceGate' AND ExecutionStatus = 'Running'";
  for await (const { workflowId } of client.workflow.list({ query })) keys.add(keyOfGate(workflowId));
  return [...keys].sort();
}

/** What a gate knows, or knew last. */
export async function gateBook(client: Client, key: string): Promise<GateBook | undefined> {
  try {
    return await client.workflow.getHandle(gateIdOf(key)).query<GateBook>('gate');
  } catch (error) {
    // Never there, forgotten, or of a version that nobody can read any more.
    if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError) return undefined;
    throw error;
  }
}
