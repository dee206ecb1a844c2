import { executeChild, proxyActivities } from '@temporalio/workflow';

/** The least that a batch could cost: a plain window over children that call as many activities that do nothing. */

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '1 minute' });

export async function bareBatch(prefix: string, count: number, atOnce: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const workflowId = `${prefix}-${(next += 1)}`;
      await executeChild(bareVm, { workflowId });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** As many activities as a migration has that meets no trouble. */
const steps = 8;

export async function bareVm(): Promise<void> {
  for (let step = 0; step < steps; step += 1) await nothing();
}
