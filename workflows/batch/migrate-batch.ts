import {
  CancellationScope,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  type SignalDefinition,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  batchNameOf,
  pageIdOf,
  type BatchInput,
  type BatchPage,
  type PageRef,
  type BatchView,
} from '../../contracts/batch.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import { Changes, isLong } from '../changes.ts';
import { migrationFailure, stepFailureOf } from '../failures.ts';
import { fleetActivities } from '../host-activities.ts';
import { batchDetails } from './batch-details.ts';
import { BatchState } from './batch-state.ts';
import { packed } from './carried-pages.ts';
import { selectVms } from './select-vms.ts';
import {
  allotSignal,
  approveUpdate,
  batchQuery,
  pageReportSignal,
  pauseBatchSignal,
  pausePageSignal,
  refuseIf,
  registerUpdate,
  resumeBatchSignal,
  resumePageSignal,
  sealUpdate,
  stopPageSignal,
} from './messages.ts';

const defaultWatchSeconds = 300;
/** Signals on their way: the server bears 2,000 of a workflow. */
const signalsAtOnce = 500;
const defaultHistoryEvents = 4000;
/** What people see beside its timer. */
const lookForLost = 'look whether pages were lost';

/**
 * Migrates a batch, wave by wave, with so many VMs at once. It knows pages, not VMs, and continues as new when its
 * history has grown: it costs the same whether it has ten VMs or a hundred thousand.
 */
export async function migrateBatch(input: BatchInput): Promise<BatchView> {
  // A schedule gives each of its batches a workflow id, and with it a name, of its own.
  const name = batchNameOf(workflowInfo().workflowId);
  const state = new BatchState({ ...input, name }, () => new Date());
  const batch = new Batch(state);
  if (input.unattended === true && input.carried === undefined) batch.label();
  try {
    await batch.run();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await CancellationScope.nonCancellable(() => batch.cancel());
    throw error;
  }
  return state.view(workflowInfo().workflowId);
}

class Batch {
  private readonly state: BatchState;
  private readonly changes = new Changes();
  private shown = '';
  /** A run that was begun before this came goes on without: it stops no strangers, and sends all its signals at once. */
  private readonly isSecond = patched('batches-2');

  constructor(state: BatchState) {
    this.state = state;
    setHandler(batchQuery, () => state.view(workflowInfo().workflowId));
    setHandler(registerUpdate, (ref) => this.changes.after(() => state.register(ref)), {
      validator: (ref: PageRef) => refuseIf(state.refusalToRegister(ref)),
    });
    setHandler(sealUpdate, () => this.changes.after(() => (state.carried.sealed = true)));
    setHandler(approveUpdate, (wave) => this.changes.after(() => state.approve(wave)), {
      validator: (wave: string) => refuseIf(state.refusalToApprove(wave)),
    });
    setHandler(pauseBatchSignal, () => void this.changes.after(() => (state.carried.paused = true)));
    setHandler(resumeBatchSignal, () => void this.changes.after(() => (state.carried.paused = false)));
    setHandler(pageReportSignal, (report) => {
      const isKnown = state.noteReport(report) || state.takes(report);
      this.changes.note();
      const { page, counts } = report;
      if (!isKnown && this.isSecond && counts.running + counts.parked > 0) this.stopStranger(page);
    });
  }

  async run(): Promise<void> {
    const { state } = this;
    while (state.wave !== undefined) {
      this.publish();
      const { seen } = this.changes;
      await this.turn();
      if (state.ended !== undefined) return;
      if (seen !== this.changes.seen) {
        if (this.isSecond) await this.continueIfLong();
        continue;
      }
      this.publish();
      await this.untilChange(seen);
      await this.continueIfLong();
    }
    state.ended = state.carried.stopped === 'batch' ? 'stopped' : 'completed';
    this.publish();
  }

  /** Does what is to be done now. */
  private async turn(): Promise<void> {
    const { state } = this;
    if (!state.carried.sealed) return;
    if (state.toSelect !== undefined) {
      await this.select(state.toSelect);
      return;
    }
    const { pages } = state;
    const stop = state.carried.stopped ?? state.mustStop;
    if (stop !== undefined && state.carried.stopped === undefined) {
      state.carried.stopped = stop;
      await this.tell(stop === 'batch' ? state.carried.pages : pages, stopPageSignal);
    }
    if (pages.length === 0) {
      this.nextWave();
      return;
    }
    if (stop !== undefined) return;
    if (state.needsApproval) return;
    if (state.isHeld !== state.carried.held) {
      state.carried.held = state.isHeld;
      await this.tell(state.active, state.carried.held ? pausePageSignal : resumePageSignal);
    }
    if (state.isHeld) return;
    await this.inSlices(state.share(), ({ page, allotted }) => this.send(page, allotSignal, allotted));
  }

  /** Looks VMs up; they come as pages, by the same updates as from a client. */
  private async select(which: number | 'listed'): Promise<void> {
    const { state } = this;
    try {
      const { more, ...selected } = await selectVms(state.input, which);
      if (more !== true) state.noteSelected(selected);
      this.changes.note();
    } catch (error) {
      if (isCancellation(error)) throw error;
      state.failure = stepFailureOf(error);
      state.ended = 'failed';
      await this.tell(state.carried.pages, stopPageSignal);
      this.publish();
      throw migrationFailure(state.failure, error);
    }
  }

  /** What lists show of it, where not whoever started it knew. */
  label(): void {
    const { workflowId } = workflowInfo();
    upsertSearchAttributes([{ key: searchAttributes.batch, value: workflowId }]);
  }

  private nextWave(): void {
    const { carried } = this.state;
    // A stopped batch has no pages in later waves: they ended as they were told.
    if (carried.stopped === 'wave') delete carried.stopped;
    this.changes.after(() => (carried.wave += 1));
  }

  private async untilChange(seen: number): Promise<void> {
    const { state } = this;
    const watch = state.active.length > 0 ? this.watchMs : Infinity;
    const ms = Math.min(watch, state.msToEdge ?? Infinity);
    if (
      !(await this.changes.untilAfter(seen, ms, ms === watch ? lookForLost : 'the edge of the window')) &&
      ms === watch
    )
      await this.findLost(state.active);
  }

  private get watchMs(): number {
    return (this.state.input.tuning?.watchSeconds ?? defaultWatchSeconds) * 1000;
  }

  /** A page that was ended from outside tells nobody. */
  private async findLost(among: readonly BatchPage[]): Promise<void> {
    const { workflowId } = workflowInfo();
    const pages = among.map(({ page }) => page);
    const lost = await fleetActivities('look after the pages').findEnded(
      pages.map((page) => pageIdOf(workflowId, page)),
    );
    for (const page of pages)
      if (lost.includes(pageIdOf(workflowId, page))) this.changes.after(() => this.state.noteLost(page));
  }

  private async continueIfLong(): Promise<void> {
    const { state } = this;
    if (!isLong(state.input.tuning?.historyEvents ?? defaultHistoryEvents)) return;
    await continueAsNew<typeof migrateBatch>({ ...state.input, carried: packed(state.carried) });
  }

  /** Its pages are cancelled, and end when their migrations have undone what they did. */
  async cancel(): Promise<void> {
    const { state } = this;
    state.ended = 'cancelled';
    this.publish();
    const cancelPage = ({ page }: BatchPage) =>
      handleOf(page)
        .cancel()
        .catch(() => state.noteLost(page));
    // One that was cancelled before this came goes on one by one.
    await this.inSlices([...state.carried.pages], cancelPage, patched('batches-3') ? signalsAtOnce : 1);
    while (state.carried.pages.length > 0) {
      const { seen } = this.changes;
      if (!(await this.changes.untilAfter(seen, this.watchMs, lookForLost)))
        await this.findLost(state.carried.pages);
    }
    this.publish();
  }

  private async tell(pages: readonly BatchPage[], signal: SignalDefinition): Promise<void> {
    await this.inSlices(pages, ({ page }) => this.send(page, signal));
  }

  private async inSlices(
    pages: readonly BatchPage[],
    work: (page: BatchPage) => Promise<void>,
    size = this.isSecond ? signalsAtOnce : Math.max(1, pages.length),
  ): Promise<void> {
    for (let at = 0; at < pages.length; at += size) await Promise.all(pages.slice(at, at + size).map(work));
  }

  /** Of a batch of this name that somebody ended: nobody else tells it what to do, and what it begins nobody counts. */
  private stopStranger(page: number): void {
    void CancellationScope.nonCancellable(() => handleOf(page).signal(stopPageSignal)).catch(() => undefined);
  }

  private async send<Args extends unknown[]>(
    page: number,
    signal: SignalDefinition<Args>,
    ...args: Args
  ): Promise<void> {
    try {
      await handleOf(page).signal(signal, ...args);
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.changes.after(() => this.state.noteLost(page));
    }
  }

  /** Shows it to people; in lists only when its status changed. */
  private publish(): void {
    const view = this.state.view(workflowInfo().workflowId);
    setCurrentDetails(batchDetails(view));
    if (view.status === this.shown) return;
    this.shown = view.status;
    upsertSearchAttributes([{ key: searchAttributes.state, value: view.status }]);
  }
}

const handleOf = (page: number) => getExternalWorkflowHandle(pageIdOf(workflowInfo().workflowId, page));
