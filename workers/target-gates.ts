import type { Client } from '@temporalio/client';
import { type GateNeed, targetKeysOf } from '../contracts/gates.ts';
import { runningGates } from './start-gate.ts';

/** So long an answer of the server is good for: a batch asks once, not for each of its VMs. */
const freshMs = 20_000;

/** The gates of a target that somebody has set a limit for. */
export type TargetGatesOf = (hostId: string, directory: string, disks: number) => Promise<GateNeed[]>;

export function createTargetGates(client: Client): TargetGatesOf {
  let known: { keys: Promise<string[]>; askedAt: number } | undefined;
  const keys = () => {
    if (known === undefined || Date.now() - known.askedAt > freshMs) {
      const asked = runningGates(client);
      known = { keys: asked, askedAt: Date.now() };
      asked.catch(() => (known = undefined));
    }
    return known.keys;
  };
  return async (hostId, directory, disks) => {
    const set = await keys();
    return targetKeysOf(hostId, directory)
      .filter((key) => set.includes(key))
      .map((key) => ({ key, weight: disks }));
  };
}
