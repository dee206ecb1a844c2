import { continueAsNew, executeChild, proxyActivities } from '@temporalio/workflow';

/** The least that a batch could cost: a plain window over children that call as many activities that do nothing. */

/** Called by the worker that runs the workflow, without a way over the server's queues. */
const here = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '1 minute' });
/** Called by the host that a VM belongs to. */
const there = proxyActivities<{ nothing(): Promise<void> }>({
  startToCloseTimeout: '1 minute',
  taskQueue: 'bench-bare-host',
});

/** The server bears 51,200 events in a history: limit.historyCount.error. */
const childrenOfRun = 1_000;

export async function bareBatch(
  prefix: string,
  count: number,
  atOnce: number,
  onHost: boolean,
  begun = 0,
): Promise<void> {
  let next = begun;
  const last = Math.min(count, begun + childrenOfRun);
  const lane = async () => {
    while (next < last) {
      const workflowId = `${prefix}-${(next += 1)}`;
      await executeChild(bareVm, { workflowId, args: [onHost] });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  if (last < count) await continueAsNew<typeof bareBatch>(prefix, count, atOnce, onHost, last);
}

/** As many activities as a migration has that meets no trouble. */
const steps = 8;

export async function bareVm(onHost: boolean): Promise<void> {
  for (let step = 0; step < steps; step += 1) await (onHost ? there : here).nothing();
}
