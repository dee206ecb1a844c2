import type { Client } from '@temporalio/client';
import type { BatchPlan } from '../../contracts/batch-file.ts';
import {
  batchIdOf,
  pageIdOf,
  type BatchInput,
  type BatchVm,
  type PageInput,
  type PageRef,
} from '../../contracts/batch.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import type { Tuning } from '../../contracts/steps.ts';

/** VMs of a page at most, in number and in bytes of JSON: every message of Temporal has to stay small. */
const maxPageVms = 50;
const maxPageBytes = 48 * 1024;
/** Pages that are handed over at once. */
const pagesAtOnce = 8;

/** Cuts VMs into pages. */
function pagesOf(vms: readonly BatchVm[]): BatchVm[][] {
  const pages: BatchVm[][] = [];
  let room = 0;
  for (const vm of vms) {
    const bytes = Buffer.byteLength(JSON.stringify(vm));
    const page = pages.at(-1);
    if (page === undefined || page.length === maxPageVms || bytes > room) {
      pages.push([vm]);
      room = maxPageBytes - bytes;
    } else {
      page.push(vm);
      room -= bytes;
    }
  }
  return pages;
}

/**
 * Starts a batch and hands its VMs over. Called again after it was cut off it goes on where it was; then the batch begins.
 *
 * @returns the id of the batch
 * @throws what Temporal's client throws: WorkflowExecutionAlreadyStartedError when one of that name is under way that
 *   has all its VMs
 */
export async function fillBatch(client: Client, plan: BatchPlan, tuning?: Tuning): Promise<string> {
  const { input, vms } = plan;
  const batchId = batchIdOf(input.name);
  const batch = client.workflow.getHandle(batchId);
  let page = input.pagesBefore ?? 0;
  for (const [wave, ofWave] of vms.entries())
    page = await addPages(client, input, { wave, after: page, vms: ofWave, ...(tuning ? { tuning } : {}) });
  await batch.executeUpdate('seal');
  return batchId;
}

/** Hands VMs of a wave over, as pages behind number `after`. @returns the number of the last one */
export async function addPages(
  client: Client,
  { name, atOnce, waves }: Pick<BatchInput, 'name' | 'atOnce' | 'waves'>,
  more: { wave: number; after: number; vms: readonly BatchVm[]; first?: boolean; tuning?: Tuning },
): Promise<number> {
  const batchId = batchIdOf(name);
  const pages = pagesOf(more.vms).map((vms, index): PageInput => ({
    batchId,
    batch: name,
    page: more.after + index + 1,
    wave: waves[more.wave]?.name ?? '',
    vms,
    tellEvery: Math.max(1, Math.floor(atOnce / 10)),
    ...(more.tuning ? { tuning: more.tuning } : {}),
  }));
  for (let at = 0; at < pages.length; at += pagesAtOnce) {
    const some = pages.slice(at, at + pagesAtOnce);
    await Promise.all(some.map((input) => startPage(client, input)));
    // One after the other: their order is that of the VMs.
    for (const { page, vms } of some) {
      const ref: PageRef = { page, wave: more.wave, vms: vms.length, ...(more.first ? { first: true } : {}) };
      await client.workflow.getHandle(batchId).executeUpdate('register', { args: [ref] });
    }
  }
  return more.after + pages.length;
}

async function startPage(client: Client, input: PageInput): Promise<void> {
  await client.workflow.start('migratePage', {
    workflowId: pageIdOf(input.batchId, input.page),
    taskQueue: workflowTaskQueue,
    args: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    // Of a hand-over that was cut off.
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `page ${input.page} of ${input.batch}: ${input.vms.length} VMs`.slice(0, 200),
    typedSearchAttributes: [{ key: searchAttributes.batch, value: input.batchId }],
  });
}

/** Starts the workflow of a batch; its VMs are still to come. */
export async function startBatch(client: Client, input: BatchInput): Promise<void> {
  const batchId = batchIdOf(input.name);
  await client.workflow.start('migrateBatch', {
    workflowId: batchId,
    taskQueue: workflowTaskQueue,
    args: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    staticSummary: `batch ${input.name}, ${input.atOnce} at once`.slice(0, 200),
    typedSearchAttributes: [
      { key: searchAttributes.batch, value: batchId },
      { key: searchAttributes.state, value: 'filling' },
    ],
  });
}
