import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  Elsewhere,
  MigrationInput,
  MigrationReport,
  Resolution,
  StepFailure,
} from '../contracts/steps.ts';
import { newestEdition } from '../contracts/migration-start.ts';
import { parkedSignal } from './batch/messages.ts';
import { Compensations } from './compensations.ts';
import { currentDetails } from './details.ts';
import { migrationFailure, stepFailureOf } from './failures.ts';
import { hostWordSignal } from './host/messages.ts';
import { Itinerary } from './itinerary.ts';
import { Labels } from './labels.ts';
import {
  pauseSignal,
  progressQuery,
  reassignUpdate,
  reportQuery,
  resolveUpdate,
  resumeSignal,
  stepProgressSignal,
} from './messages.ts';
import { MigrationState } from './migration-state.ts';
import { MigrationEnded, StepRunner } from './step-runner.ts';

/**
 * Migrates one VM. The steps are in migration-steps.ts; this is what surrounds them: messages, what people
 * see, and what happens when it ends otherwise than well.
 */
export async function migrateVm(input: MigrationInput): Promise<MigrationReport> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  const edition = editionOf(input);
  const state = new MigrationState(workflowId, input.spec, () => new Date().toISOString());
  const tellPage = parkedTeller(state);
  const labels = new Labels(state, edition < 2 ? 'every' : 'lasting');
  const publish = () => {
    const view = state.view();
    setCurrentDetails(currentDetails(view));
    labels.write(view);
    tellPage();
  };
  const steps = new StepRunner(state, publish);
  const undo = new Compensations();

  setHandler(progressQuery, () => state.view());
  setHandler(reportQuery, () => state.report());
  setHandler(pauseSignal, () => steps.pause());
  setHandler(resumeSignal, () => steps.resume());
  setHandler(resolveUpdate, (resolution) => steps.resolve(resolution), {
    validator: (resolution: Resolution) => {
      const refusal = steps.refusalOf(resolution);
      if (refusal !== undefined) throw ApplicationFailure.nonRetryable(refusal, 'MIGRATION_NOT_PARKED');
    },
  });
  setHandler(stepProgressSignal, (progress) => {
    state.noteProgress(progress);
    publish();
  });
  setHandler(hostWordSignal, (word) => {
    state.noteHostWord(word);
    publish();
  });

  labels.keep();
  const run = { migrationId: workflowId, runId: firstExecutionRunId };
  const itinerary = new Itinerary({ run, edition, state, steps, undo, tuning: input.tuning ?? {}, publish });
  setHandler(reassignUpdate, (to) => itinerary.reassign(to), {
    validator: (to: Elsewhere) => {
      const refusal = itinerary.refusalOf(to);
      if (refusal !== undefined) throw ApplicationFailure.nonRetryable(refusal, 'REASSIGN_REFUSED');
    },
  });
  try {
    await itinerary.run();
    state.status = 'completed';
    publish();
    return state.report();
  } catch (error) {
    const failure = endState(state, error);
    // How it ended is published when it has been undone; until then people see the steps as they are.
    setCurrentDetails(currentDetails(state.view()));
    const leftovers = await undo.run();
    state.facts.kept.push(...leftovers.map((what) => `not undone: ${what}`));
    publish();
    if (isCancellation(error)) throw error;
    throw failure;
  }
}

/** @throws Error for one that is newer than this code: it gives the workflow task back, for a newer worker to take */
function editionOf({ edition = 1 }: MigrationInput): number {
  if (edition <= newestEdition) return edition;
  throw new Error(`This worker knows migrations up to edition ${newestEdition}, not ${edition}: upgrade it.`);
}

function endState(state: MigrationState, error: unknown): ApplicationFailure {
  if (isCancellation(error) && CancellationScope.current().consideredCancelled) {
    state.status = 'cancelled';
  } else {
    state.status = error instanceof MigrationEnded ? error.status : 'failed';
  }
  state.failure = error instanceof MigrationEnded ? error.failure : stepFailureOf(error);
  return migrationFailure(state.failure, error instanceof MigrationEnded ? error.cause : error);
}

/** Tells the page of a batch when it parks, so that its place goes to another VM, and when it goes on. */
function parkedTeller(state: MigrationState): () => void {
  const { parent, workflowId } = workflowInfo();
  let told = false;
  return () => {
    const isParked = state.status === 'parked';
    if (parent === undefined || isParked === told) return;
    told = isParked;
    const { failure } = state;
    const word = { migrationId: workflowId, ...(isParked && failure ? { failure: wordsOf(failure) } : {}) };
    // A page that is gone need not know.
    void getExternalWorkflowHandle(parent.workflowId)
      .signal(parkedSignal, word)
      .catch(() => undefined);
  };
}

const wordsOf = ({ code, found, remedy }: StepFailure) => ({ code, found, remedy });
