import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  startChild,
  type SignalDefinition,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { BatchVm, PageInput, PageReport, PageView } from '../../contracts/batch.ts';
import { migrationInput, migrationLabels } from '../../contracts/migration-start.ts';
import type { StepFailure } from '../../contracts/steps.ts';
import { Changes } from '../changes.ts';
import { isErrorCode, stepFailureOf } from '../failures.ts';
import { fleetActivities } from '../host-activities.ts';
import { pauseSignal, resumeSignal } from '../messages.ts';
import { migrateVm } from '../migrate-vm.ts';
import {
  adoptUpdate,
  allotSignal,
  dropUpdate,
  pageQuery,
  pageReportSignal,
  parkedSignal,
  pausePageSignal,
  refuseIf,
  resumePageSignal,
  stopPageSignal,
  vmsQuery,
} from './messages.ts';
import { pageDetails } from './page-details.ts';
import { PageState } from './page-state.ts';

/**
 * Migrates the VMs of one page of a batch, each as a child, as many at once as the batch allots. Its children end with it:
 * they are cancelled, and undo what they did, however it ends.
 */
export async function migratePage(input: PageInput): Promise<PageView> {
  // One that was begun before this came goes on without: it does not look for its batch, nor ask why a VM is refused.
  const isSecond = patched('pages-2');
  const state = new PageState(input, () => new Date().toISOString());
  const changes = new Changes();
  const toRunning = (signal: SignalDefinition) => {
    // One that has ended meanwhile cannot be told, and need not be.
    for (const id of state.running)
      void getExternalWorkflowHandle(id)
        .signal(signal)
        .catch(() => undefined);
  };

  setHandler(pageQuery, () => state.view());
  setHandler(vmsQuery, (ids) => state.vms.filter(({ migrationId }) => ids.includes(migrationId)));
  setHandler(allotSignal, (count) => void changes.after(() => (state.allotted = count)));
  setHandler(pausePageSignal, () => {
    state.paused = true;
    toRunning(pauseSignal);
  });
  setHandler(resumePageSignal, () => {
    changes.after(() => (state.paused = false));
    toRunning(resumeSignal);
  });
  setHandler(stopPageSignal, () => void changes.after(() => state.stop()));
  setHandler(parkedSignal, (word) => void changes.after(() => state.noteParked(word)));
  setHandler(adoptUpdate, (vm) => changes.after(() => state.adopt(vm)), {
    validator: (vm: BatchVm) => refuseIf(state.refusalToAdopt(vm)),
  });
  setHandler(
    dropUpdate,
    (name) => {
      changes.note();
      return state.drop(name);
    },
    {
      validator: (name: string) => refuseIf(state.refusalToDrop(name)),
    },
  );

  const teller = new Teller(input, state, isSecond);
  try {
    while (!state.isOver) {
      const { seen } = changes;
      for (let vm = state.next(); vm !== undefined; vm = state.next())
        void migrate(input, vm, state, isSecond).finally(() => changes.note());
      setCurrentDetails(pageDetails(input, state.view()));
      await teller.tellIfDue();
      if (!(await changes.untilAfter(seen, teller.patienceMs, lookForBatch))) await teller.look();
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // The children were cancelled with it, and undo what they did.
    await CancellationScope.nonCancellable(async () => {
      state.stop();
      await condition(() => state.isOver);
    });
  }
  setCurrentDetails(pageDetails(input, state.view()));
  await CancellationScope.nonCancellable(() => teller.tell(true));
  return state.view();
}

/** Never rejects: how it ends is in the state. */
async function migrate(input: PageInput, vm: BatchVm, state: PageState, isSecond: boolean): Promise<void> {
  const { migrationId, spec } = vm;
  try {
    const child = await startChild(migrateVm, {
      workflowId: migrationId,
      args: [migrationInput(spec, input.tuning)],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      parentClosePolicy: 'REQUEST_CANCEL',
      cancellationType: 'WAIT_CANCELLATION_COMPLETED',
      ...migrationLabels(spec, input.batchId),
    });
    // A pause that came before it was there has passed it by.
    if (state.paused && isSecond) void child.signal(pauseSignal).catch(() => undefined);
    state.noteEnd(migrationId, await child.result());
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      if (isSecond) await noteRefusal(input, migrationId, state);
      else state.noteRefused(migrationId);
    } else if (isCancellation(error)) state.noteFailure(migrationId, 'cancelled', cancelled);
    else state.noteFailure(migrationId, ...ending(error));
  }
}

/** It was migrated, or somebody else migrates it now: how that ends nobody tells this batch. */
async function noteRefusal(
  { batchId, begunAt }: PageInput,
  migrationId: string,
  state: PageState,
): Promise<void> {
  try {
    const fleet = fleetActivities('look who migrates the VM');
    if (await fleet.isUnderWayElsewhere(migrationId, batchId, begunAt))
      state.noteFailure(migrationId, 'failed', elsewhere);
    else state.noteRefused(migrationId);
  } catch (error) {
    if (!isCancellation(error)) throw error;
    state.noteFailure(migrationId, 'cancelled', cancelled);
  }
}

const elsewhere: StepFailure = {
  code: 'MIGRATION_EXISTS',
  message: 'The VM is being migrated already.',
  found: 'it is under way, and was not begun by this page of the batch',
  remedy: 'When it has ended and not succeeded, `longhaul batch retry` begins it here.',
};

const cancelled: StepFailure = {
  code: 'MIGRATION_CANCELLED',
  message: 'The migration was cancelled.',
  found: 'it was cancelled',
  remedy: 'Start it again with `longhaul batch retry`.',
};

function ending(error: unknown): ['failed' | 'aborted', StepFailure] {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
  const failure = stepFailureOf(cause);
  if (cause instanceof ApplicationFailure && isErrorCode(cause.type))
    return [cause.type === 'MIGRATION_ABORTED' ? 'aborted' : 'failed', failure];
  // Terminated, or timed out: nobody undid anything.
  return ['failed', { ...failure, code: 'MIGRATION_LOST', remedy: lostRemedy }];
}

const lostRemedy =
  'Somebody terminated it. What it left on its host is removed when the worker starts again; then `longhaul batch retry`.';

/** So many more are completed before it is told for that alone. */
const doneEvery = 10;
/** What people see beside its timer. */
const lookForBatch = 'look whether the batch is there';
/** A page that waits for weeks looks once a day. */
const maxPatienceMs = 24 * 3_600_000;

/** Tells the batch how far the page is: rarely as long as it is busy, and as places become free at its end. */
class Teller {
  private readonly input: PageInput;
  private readonly state: PageState;
  private readonly isSecond: boolean;
  private told = { running: 0, failed: 0, done: 0 };
  private orphaned = false;
  private looks = 0;

  constructor(input: PageInput, state: PageState, isSecond: boolean) {
    this.input = input;
    this.state = state;
    this.isSecond = isSecond;
  }

  async tellIfDue(): Promise<void> {
    const { running, failed, completed } = this.state.counts();
    const { tellEvery } = this.input;
    const moved = Math.abs(this.told.running - running) >= tellEvery;
    const advanced = completed - this.told.done >= Math.max(tellEvery, doneEvery);
    if (moved || advanced || failed > this.told.failed) await this.tell(false);
  }

  /** How long nothing may come before it looks for its batch: ever longer. What runs, tells it soon enough. */
  get patienceMs(): number {
    const { watchSeconds } = this.input;
    if (watchSeconds === undefined || this.state.counts().running > 0 || !this.isSecond) return Infinity;
    return Math.min(watchSeconds * 1000 * 2 ** this.looks, maxPatienceMs);
  }

  async look(): Promise<void> {
    this.looks += 1;
    await this.tell(false);
  }

  private get claim(): Pick<PageReport, 'claim'> {
    const { wave, begunAt } = this.input;
    return this.state.allotted > 0 || begunAt === undefined ? {} : { claim: { wave, begunAt } };
  }

  async tell(ended: boolean): Promise<void> {
    const { running, failed, completed } = this.state.counts();
    this.told = { running, failed, done: completed };
    if (this.orphaned) return;
    try {
      const report = { ...this.state.report(ended), ...this.claim };
      await getExternalWorkflowHandle(this.input.batchId).signal(pageReportSignal, report);
    } catch (error) {
      if (isCancellation(error) && this.isSecond) throw error;
      // The batch is gone: what runs ends well, and nothing else is begun.
      this.orphaned = true;
      this.state.stop();
    }
  }
}
