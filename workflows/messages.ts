import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type {
  Elsewhere,
  MigrationReport,
  MigrationView,
  Resolution,
  StepProgress,
} from '../contracts/steps.ts';

/** Everything a status display needs; bytes of a running step are fresher in its heartbeat. */
export const progressQuery = defineQuery<MigrationView>('progress');
/** The report as far as the migration has come; complete when it has ended. */
export const reportQuery = defineQuery<MigrationReport>('report');
/** Holds the migration before its next step; steps that can start over without loss stop at once. */
export const pauseSignal = defineSignal('pause');
export const resumeSignal = defineSignal('resume');
/** Answers a parked migration; rejected when it is not parked or the step cannot be skipped. */
export const resolveUpdate = defineUpdate<null, [Resolution]>('resolve');
/** Begins the migration again on another host; rejected where that could do harm. */
export const reassignUpdate = defineUpdate<null, [Elsewhere]>('reassign');
/** Sent by long activities at widening intervals, so that the UI shows bytes move. */
export const stepProgressSignal = defineSignal<[StepProgress]>('step-progress');
