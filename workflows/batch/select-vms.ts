import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Selected } from '../../contracts/batch-select.ts';
import type { BatchInput } from '../../contracts/batch.ts';
import { inventoryTaskQueue, undoTaskQueue } from '../../contracts/queues.ts';
import type { InventoryActivities } from '../../contracts/steps.ts';
import { begunAgain, retryPolicy } from '../host-activities.ts';

/** Looks up the VMs that a batch takes from one place, and hands them over to it. */
export async function selectVms({ selection }: BatchInput, which: number | 'listed'): Promise<Selected> {
  const nothing = { vms: 0, leftOut: 0, refused: [], refusedCount: 0, gaps: [] };
  if (selection === undefined) return nothing;
  const { select, listed, defaults, overrides, order } = selection;
  if (which === 'listed' && listed.length === 0) return nothing;
  const batchId = workflowInfo().workflowId;
  const selector = which === 'listed' ? undefined : select[which];
  const from = selector ? { selector, defaults, overrides } : { listed };
  const summary = selector?.azure ? `look for VMs of ${selector.azure.subscription}` : 'look for VMs';
  return activities(selector?.host, summary).fillBatch({ batchId, order, ...from });
}

/** Of the host that is named, or of any. Listings take minutes at most: they need not wait behind copies. */
function activities(host: string | undefined, summary: string) {
  return begunAgain(
    proxyActivities<InventoryActivities>({
      taskQueue: host === undefined ? inventoryTaskQueue : undoTaskQueue(host),
      summary,
      startToCloseTimeout: '1 hour',
      heartbeatTimeout: '30 seconds',
      // A night's outage of the server must not cost the batch.
      retry: { ...retryPolicy({}), maximumAttempts: 100, nonRetryableErrorTypes: ['WORKER_DRAINING'] },
      cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    }),
  );
}
