import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { BatchContent } from '../../contracts/batch-file.ts';
import {
  batchIdOf,
  pageIdOf,
  type BatchInput,
  type BatchView,
  type BatchVm,
  type PageInput,
  type PageView,
  type PageRef,
} from '../../contracts/batch.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import type { Tuning } from '../../contracts/steps.ts';
import { orNothing } from '../or-nothing.ts';

/** VMs of a page at most, in number and in bytes of JSON: every message of Temporal has to stay small. */
const maxPageVms = 50;
const maxPageBytes = 48 * 1024;
/** A page looks for the first time after this, in seconds, whether its batch is still there. */
const watchSeconds = 6 * 3600;
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
  const pages = pagesOf(more.vms).map((vms): Omit<PageInput, 'page'> => ({
    batchId,
    batch: name,
    wave: waves[more.wave]?.name ?? '',
    vms,
    tellEvery: Math.max(1, Math.floor(atOnce / 10)),
    begunAt: startedAt,
    watchSeconds,
    ...(more.tuning ? { tuning: more.tuning } : {}),
  }));
  let last = more.after;
  for (let at = 0; at < pages.length; at += pagesAtOnce) {
    more.signal?.throwIfAborted();
    const some = pages
      .slice(at, at + pagesAtOnce)
      .map((input, index) => ({ ...input, page: last + index + 1 }));
    const numbers = await Promise.all(some.map((input) => startPage(client, input, new Date(startedAt))));
    const refs = some.map(({ vms }, index): PageRef => ({
      page: numbers[index] ?? 0,
      wave: more.wave,
      vms: vms.length,
      ...(more.first ? { first: true } : {}),
    }));
    await registerPages(client, batchId, refs);
    last = Math.max(last, ...numbers);
  }
  return last;
}

/** One after the other: their order is that of the VMs. Those of a batch that takes no more would wait for ever, and go. */
async function registerPages(client: Client, batchId: string, refs: readonly PageRef[]): Promise<void> {
  for (const [index, ref] of refs.entries()) {
    try {
      await registerPage(client, batchId, ref);
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError)
        for (const { page } of refs.slice(index))
          await orNothing(
            client.workflow.getHandle(pageIdOf(batchId, page)).terminate('its batch does not take it'),
          );
      throw error;
    }
  }
}

export async function registerPage(client: Client, batchId: string, ref: PageRef): Promise<void> {
  await client.workflow.getHandle(batchId).executeUpdate('register', { args: [ref] });
}

/** @returns its number: another than it has when somebody else has made a page of that number meanwhile */
async function startPage(client: Client, input: PageInput, batchStarted: Date): Promise<number> {
  for (let { page } = input; ; page += 1)
    if (await couldStart(client, { ...input, page }, batchStarted)) return page;
}

/**
 * Also when it was started before, and may have ended since: a hand-over was cut off.
 *
 * @param isFree whether it is known that a page of that number, if there was one, is of a batch before
 */
async function couldStart(
  client: Client,
  input: PageInput,
  batchStarted: Date,
  isFree = false,
): Promise<boolean> {
  const workflowId = pageIdOf(input.batchId, input.page);
  try {
    await client.workflow.start('migratePage', {
      workflowId,
      taskQueue: workflowTaskQueue,
      args: [input],
      workflowIdReusePolicy: isFree ? 'ALLOW_DUPLICATE' : 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${input.vms.length} VMs of batch ${input.batch}, wave ${input.wave}`.slice(0, 200),
      typedSearchAttributes: [{ key: searchAttributes.batch, value: input.batchId }],
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return isOurs(client, input, batchStarted);
  }
}

/** Of a number that is taken: whether by the same page of this batch. One of a batch before makes way. */
async function isOurs(client: Client, input: PageInput, batchStarted: Date): Promise<boolean> {
  const handle = client.workflow.getHandle(pageIdOf(input.batchId, input.page));
  const { startTime, closeTime, status } = await handle.describe();
  if (startTime >= batchStarted) {
    // Its batch did not take it then.
    if (status.name === 'TERMINATED') return false;
    const { vms } = await handle.query<PageView>('page');
    return String(vms.map((vm) => vm.migrationId)) === String(input.vms.map((vm) => vm.migrationId));
  }
  if (closeTime === undefined) await endStray(handle, input);
  return couldStart(client, input, batchStarted, true);
}

/** Of a batch that somebody terminated. What it has under way ends as it would, and could not be begun here before. */
async function endStray(page: WorkflowHandle, { batch, batchId }: PageInput): Promise<void> {
  const { vms } = await page.query<PageView>('page');
  const underWay = vms
    .filter(({ status }) => status === 'running' || status === 'parked')
    .map(({ vm }) => vm);
  if (underWay.length === 0) {
    await orNothing(page.terminate(`its batch ${batchId} is gone`));
    return;
  }
  await orNothing(page.signal('stop'));
  throw new LonghaulError('BATCH_EXISTS', {
    found: `a batch ${batch} was ended from outside, and has ${underWay.slice(0, 5).join(', ')} under way`,
    remedy: 'It begins nothing more. When these have ended, see `longhaul list`, start the batch again.',
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
    staticSummary: `batch ${input.name}: ${input.atOnce} VMs at once`.slice(0, 200),
    typedSearchAttributes: [
      { key: searchAttributes.batch, value: batchId },
      { key: searchAttributes.state, value: 'filling' },
    ],
  });
}
