import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  condition,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  type SignalDefinition,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { BatchVm, PageInput, PageView } from '../../contracts/batch.ts';
import { migrationInput, migrationLabels } from '../../contracts/migration-start.ts';
import type { StepFailure } from '../../contracts/steps.ts';
import { Changes } from '../changes.ts';
import { isErrorCode, stepFailureOf } from '../failures.ts';
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

  const teller = new Teller(input, state);
  try {
    while (!state.isOver) {
      const { seen } = changes;
      for (let vm = state.next(); vm !== undefined; vm = state.next())
        void migrate(input, vm, state).finally(() => changes.note());
      setCurrentDetails(pageDetails(input, state.view()));
      await teller.tellIfDue();
      await changes.untilAfter(seen);
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
async function migrate(input: PageInput, vm: BatchVm, state: PageState): Promise<void> {
  const { migrationId, spec } = vm;
  try {
    const report = await executeChild(migrateVm, {
      workflowId: migrationId,
      args: [migrationInput(spec, input.tuning)],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      parentClosePolicy: 'REQUEST_CANCEL',
      cancellationType: 'WAIT_CANCELLATION_COMPLETED',
      ...migrationLabels(spec, input.batchId),
    });
    state.noteEnd(migrationId, report);
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) state.noteRefused(migrationId);
    else if (isCancellation(error)) state.noteFailure(migrationId, 'cancelled', cancelled);
    else state.noteFailure(migrationId, ...ending(error));
  }
}

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

/** Tells the batch how far the page is: rarely as long as it is busy, and as places become free at its end. */
class Teller {
  private readonly input: PageInput;
  private readonly state: PageState;
  private told = { running: 0, failed: 0, done: 0 };
  private orphaned = false;

  constructor(input: PageInput, state: PageState) {
    this.input = input;
    this.state = state;
  }

  async tellIfDue(): Promise<void> {
    const { running, failed, completed } = this.state.counts();
    const { tellEvery } = this.input;
    const moved = Math.abs(this.told.running - running) >= tellEvery;
    const advanced = completed - this.told.done >= Math.max(tellEvery, doneEvery);
    if (moved || advanced || failed > this.told.failed) await this.tell(false);
  }

  async tell(ended: boolean): Promise<void> {
    const { running, failed, completed } = this.state.counts();
    this.told = { running, failed, done: completed };
    if (this.orphaned) return;
    try {
      await getExternalWorkflowHandle(this.input.batchId).signal(pageReportSignal, this.state.report(ended));
    } catch {
      // The batch is gone: what runs ends well, and nothing else is begun.
      this.orphaned = true;
      this.state.stop();
    }
  }
}
