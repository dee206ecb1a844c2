import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { gateIdOf, type GateBook, type GateInput, type GateTuning } from '../../../contracts/gates.ts';
import { workflowTaskQueue } from '../../../contracts/queues.ts';
import type { ControlPlane } from '../../support/control-plane.ts';
import type { Script } from '../../support/scripted-host.ts';

/** The lease of gates in tests, in seconds. */
export const leaseSeconds = 1;

/** A web server of its own for a test, a disk on it, and the gate before it. */
export interface GateSite {
  key: string;
  /** What a spec says to fetch from there. */
  source: { kind: 'image'; disks: string[] };
  gate: WorkflowHandle;
  book: () => Promise<GateBook>;
  setLimit: (limit: number) => Promise<void>;
}

export async function gateSite(
  plane: ControlPlane,
  limit: number,
  tuning: GateTuning = {},
): Promise<GateSite> {
  const key = `https://${randomUUID().slice(0, 8)}.example.com`;
  const { client } = plane.environment;
  const input: GateInput = {
    key,
    book: { limit, holders: [], lines: [] },
    tuning: { leaseSeconds, ...tuning },
  };
  await client.workflow.start('sourceGate', {
    workflowId: gateIdOf(key),
    taskQueue: workflowTaskQueue,
    args: [input],
  });
  // Whatever run of it there is.
  const gate = client.workflow.getHandle(gateIdOf(key));
  return {
    key,
    source: { kind: 'image', disks: [`${key}/web01.qcow2`] },
    gate,
    book: () => gate.query<GateBook>('gate'),
    setLimit: async (to) => {
      await gate.executeUpdate('set-limit', { args: [to] });
    },
  };
}

/** Migrations in a book. */
export const holdersOf = ({ holders }: GateBook): string[] => holders.map((one) => one.migrationId);
export const waitingOf = ({ lines }: GateBook): number =>
  lines.reduce((sum, { waiting }) => sum + waiting.length, 0);

/** Counts the fetches that are under way at once. `hold` says how long each takes. */
export function countedFetches(
  hold: () => Promise<void>,
): Script & { most: () => number; now: () => number } {
  let [now, most] = [0, 0];
  return {
    acquire: async () => {
      most = Math.max(most, (now += 1));
      try {
        await hold();
      } finally {
        now -= 1;
      }
    },
    most: () => most,
    now: () => now,
  };
}
