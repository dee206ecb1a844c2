import type { Client } from '@temporalio/client';
import type { SourceDeps } from '../activities/sources/source.ts';
import type { InventoryActivities } from '../contracts/steps.ts';
import { batchNameOf } from '../contracts/batch.ts';
import { runActivity } from './activity-io.ts';
import { batchError } from './batch/batch-error.ts';
import { fillSelected } from './batch/fill-selected.ts';

/** What a host can find out about sources for a batch. Its progress is in heartbeats only: a batch shows VMs, not steps. */
export function createInventoryActivities(
  client: Client,
  deps: Pick<SourceDeps, 'resolveSecret' | 'azure'>,
): InventoryActivities {
  const untold = () => Promise.resolve();
  return {
    fillBatch: (request) =>
      runActivity('preflight', untold, async (io) => {
        try {
          return await fillSelected(client, request, deps, io);
        } catch (error) {
          throw batchError(batchNameOf(request.batchId), error);
        }
      }),
  };
}
