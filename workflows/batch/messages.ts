import { ApplicationFailure, defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { BatchView, BatchVm, PageRef, PageReport, PageView, ParkedWord } from '../../contracts/batch.ts';

export const batchQuery = defineQuery<BatchView>('batch');
/** Makes a page known. The same page again is no other one; rejected once its wave is over. */
export const registerUpdate = defineUpdate<null, [PageRef]>('register');
/** All VMs are there: it may begin. */
export const sealUpdate = defineUpdate<null>('seal');
export const approveUpdate = defineUpdate<null, [string]>('approve');
/** Begins nothing more; what can stop without loss does. */
export const pauseBatchSignal = defineSignal('pause');
export const resumeBatchSignal = defineSignal('resume');
/** From a page to its batch. */
export const pageReportSignal = defineSignal<[PageReport]>('page-report');

export const pageQuery = defineQuery<PageView>('page');
/** From a batch to its page: it may run so many at once. */
export const allotSignal = defineSignal<[number]>('allot');
export const pausePageSignal = defineSignal('pause');
export const resumePageSignal = defineSignal('resume');
/** Begins nothing more, and ends when what runs has ended. */
export const stopPageSignal = defineSignal('stop');
/** Takes a VM that was not begun out of the batch, and gives it back; rejected for others. */
export const dropUpdate = defineUpdate<BatchVm, [string]>('drop');
/** Begins a VM of the batch next, also one of another page; rejected by a page that begins nothing more. */
export const adoptUpdate = defineUpdate<null, [BatchVm]>('adopt');
/** VMs of the page by their migrations, to begin them once more. */
export const vmsQuery = defineQuery<BatchVm[], [string[]]>('vms');
/** From a migration to its page. */
export const parkedSignal = defineSignal<[ParkedWord]>('parked');

/** For validators of updates. */
export function refuseIf(refusal: string | undefined): void {
  if (refusal !== undefined) throw ApplicationFailure.nonRetryable(refusal, 'BATCH_EDIT_REFUSED');
}
