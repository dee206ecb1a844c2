import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { BatchContent } from '../../contracts/batch-file.ts';
import {
  batchIdOf,
  pageIdOf,
  type BatchInput,
  type BatchView,
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
export const pagesAtOnce = 8;

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
 * Hands the VMs of a batch over that was started. Called again after it was cut off it goes on where it was; then the batch
 * begins.
 */
export async function fillBatch(
  client: Client,
  { input, vms }: BatchContent,
  tuning?: Tuning,
): Promise<void> {
  const batch = client.workflow.getHandle(batchIdOf(input.name));
  const view = await batch.query<BatchView>('batch');
  let page = input.pagesBefore ?? 0;
  for (const [wave, ofWave] of vms.entries())
    page = await addPages(client, view, { wave, after: page, vms: ofWave, ...(tuning ? { tuning } : {}) });
  await batch.executeUpdate('seal');
}

/** Hands VMs of a wave over, as pages behind number `after`. @returns the number of the last one */
export async function addPages(
  client: Client,
  view: Pick<BatchView, 'batchId' | 'name' | 'atOnce' | 'startedAt'> & { waves: readonly { name: string }[] },
  more: {
    wave: number;
    after: number;
    vms: readonly BatchVm[];
    first?: boolean;
    tuning?: Tuning;
    signal?: AbortSignal;
  },
): Promise<number> {
  const { batchId, name, atOnce, waves, startedAt } = view;
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
    more.signal?.throwIfAborted();
    const some = pages.slice(at, at + pagesAtOnce);
    await Promise.all(some.map((input) => startPage(client, input, new Date(startedAt))));
    // One after the other: their order is that of the VMs.
    for (const { page, vms } of some) {
      const ref: PageRef = { page, wave: more.wave, vms: vms.length, ...(more.first ? { first: true } : {}) };
      await registerPage(client, batchId, ref);
    }
  }
  return more.after + pages.length;
}

export async function registerPage(client: Client, batchId: string, ref: PageRef): Promise<void> {
  await client.workflow.getHandle(batchId).executeUpdate('register', { args: [ref] });
}

async function startPage(client: Client, input: PageInput, batchStarted: Date): Promise<void> {
  const workflowId = pageIdOf(input.batchId, input.page);
  try {
    await client.workflow.start('migratePage', {
      workflowId,
      taskQueue: workflowTaskQueue,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${input.vms.length} VMs of batch ${input.batch}, wave ${input.wave}`.slice(0, 200),
      typedSearchAttributes: [{ key: searchAttributes.batch, value: input.batchId }],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { startTime, runId } = await client.workflow.getHandle(workflowId).describe();
    // Of a hand-over that was cut off.
    if (startTime >= batchStarted) return;
    // Of a batch that somebody terminated: it has waited for it since.
    await client.workflow.getHandle(workflowId, runId).terminate(`its batch ${input.batchId} is gone`);
    await startPage(client, input, batchStarted);
  }
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
    staticSummary: `batch ${input.name}: ${input.atOnce} VMs at once`.slice(0, 200),
    typedSearchAttributes: [
      { key: searchAttributes.batch, value: batchId },
      { key: searchAttributes.state, value: 'filling' },
    ],
  });
}
