import type { BatchView, VmOutcome } from '../../contracts/batch.ts';
import type { Ran } from '../e2e/cli/cli-bench.ts';
import { askUntil } from '../support/control-plane.ts';

/** Runs the command line against the server of a test. */
export type Longhaul = (...args: string[]) => Promise<Ran>;

export type BatchNow = BatchView & { vms: VmOutcome[] };

/** What `longhaul batch status` says; undefined while nobody answers, as after a worker was killed. */
async function batchStatus(longhaul: Longhaul, name: string): Promise<BatchNow | undefined> {
  const { code, stdout } = await longhaul('batch', 'status', name, '--json');
  return stdout === '' || code === 3 ? undefined : (JSON.parse(stdout) as BatchNow);
}

/** Waits until a batch fulfils a condition, and gives how it is then. */
export async function untilBatch(
  longhaul: Longhaul,
  name: string,
  condition: (status: BatchNow) => boolean,
  seconds: number,
): Promise<BatchNow> {
  const status = await askUntil(
    () => batchStatus(longhaul, name),
    (now) => now !== undefined && condition(now),
    seconds,
  );
  if (status === undefined) throw new TypeError('the condition holds without a status');
  return status;
}
