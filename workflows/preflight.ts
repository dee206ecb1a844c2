import { sleep } from '@temporalio/workflow';
import { errorCodes } from '../contracts/error-codes.ts';
import type { StepContext, Tuning } from '../contracts/steps.ts';
import type { Finding, PreflightResult } from '../contracts/values.ts';
import { blockedBy, isErrorCode } from './failures.ts';
import type { hostActivities } from './host-activities.ts';

/** Looks in all when everything in the way may pass by itself, such as a libvirtd that is being restarted. */
const looks = 3;

/**
 * Runs preflight until nothing blocks. Every result is shown to `onResult`, blocked or not.
 *
 * @throws ApplicationFailure with the blockers that an operator has to deal with.
 */
export async function untilUnblocked(
  host: ReturnType<typeof hostActivities>,
  ctx: StepContext,
  tuning: Tuning,
  onResult: (result: PreflightResult) => void,
): Promise<PreflightResult> {
  for (let look = 1; ; look += 1) {
    const result = await host('check everything cheap', 'short').preflight(ctx);
    onResult(result);
    const blocked = blockedBy(result.findings);
    if (!blocked) return result;
    if (look === looks || !mayPass(result.findings)) throw blocked;
    // A service takes longer to come back than an activity that was unlucky.
    await sleep((tuning.retryInitialSeconds ?? 2) * 5_000, { summary: 'check once more' });
  }
}

function mayPass(findings: readonly Finding[]): boolean {
  return findings
    .filter(({ severity }) => severity === 'blocker')
    .every(({ code }) => isErrorCode(code) && errorCodes[code].retryable);
}
