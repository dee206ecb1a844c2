import type { Client } from '@temporalio/client';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import { type GateNeed, isTarget, keyOfGate, targetKeysOf } from '../contracts/gates.ts';

/** So long an answer of the server is good for: a batch asks once, not for each of its VMs. */
const freshMs = 20_000;

/** The gates of a target that somebody has set a limit for. */
export type TargetGatesOf = (hostId: string, directory: string, disks: number) => Promise<GateNeed[]>;

export function createTargetGates(client: Client): TargetGatesOf {
  let known: { keys: Promise<Set<string>>; askedAt: number } | undefined;
  const keys = () => {
    if (known === undefined || Date.now() - known.askedAt > freshMs) {
      const asked = keysOf(client);
      known = { keys: asked, askedAt: Date.now() };
      asked.catch(() => (known = undefined));
    }
    return known.keys;
  };
  return async (hostId, directory, disks) => {
    const set = await keys();
    return targetKeysOf(hostId, directory)
      .filter((key) => set.has(key))
      .map((key) => ({ key, weight: disks }));
  };
}

async function keysOf(client: Client): Promise<Set<string>> {
  const found = new Set<string>();
  try {
    const query = "WorkflowType = 'sourceGate' AND ExecutionStatus = 'Running'";
    for await (const { workflowId } of client.workflow.list({ query })) found.add(keyOfGate(workflowId));
  } catch (error) {
    throw new LonghaulError(
      'TEMPORAL_UNREACHABLE',
      { found: `limits could not be asked for: ${messageOf(error)}`, remedy: 'It is tried again.' },
      error,
    );
  }
  return new Set([...found].filter(isTarget));
}
