import { isCancellation, workflowInfo } from '@temporalio/workflow';
import type { MigrationInput, MigrationPlan } from '../contracts/steps.ts';
import { migrationFailure, stepFailureOf } from './failures.ts';
import { hostActivities } from './host-activities.ts';
import { place } from './place.ts';

/** Preflight and a dry run of the fixes. Creates nothing that outlives it. */
export async function planVm(input: MigrationInput): Promise<MigrationPlan> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  const tuning = { retryMaximumAttempts: 2, ...input.tuning };
  const ctx = { run: { migrationId: workflowId, runId: firstExecutionRunId }, spec: input.spec };
  try {
    const { hostId } = await place(ctx, tuning, { wishes: { onlyLook: true } });
    const host = hostActivities(hostId, tuning);
    const preflight = await host('check everything cheap', 'short').preflight(ctx);
    const blocked = preflight.findings.some(({ severity }) => severity === 'blocker');
    // Into a guest whose disks are elsewhere nobody can look.
    const remote = (preflight.remoteDisks ?? []).length > 0;
    if (blocked || remote || !input.spec.guest.fix) return { preflight, fixes: [] };
    const guest = await host('look into the guest').planGuest(ctx, preflight.disks, preflight.vm);
    return { preflight, ...guest };
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw migrationFailure(stepFailureOf(error), error);
  }
}
