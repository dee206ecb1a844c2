import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { errorCodes, type ErrorCode } from '../contracts/error-codes.ts';
import type { StepFailure } from '../contracts/steps.ts';
import type { Finding } from '../contracts/values.ts';

/** What the activity wrapper puts into the details of an ApplicationFailure (workers/activity-io.ts). */
interface FailureDetails {
  found?: string;
  remedy?: string;
}

/** The failure of a step in the domain's words, whatever layer of Temporal it comes wrapped in. */
export function stepFailureOf(error: unknown): StepFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const details = (cause.details?.[0] ?? {}) as FailureDetails;
    return {
      code: isErrorCode(cause.type) ? cause.type : 'INTERNAL',
      message: cause.message,
      found: details.found ?? cause.message,
      remedy: details.remedy ?? 'This is a defect of Longhaul: please report it with the worker log.',
    };
  }
  if (cause instanceof TimeoutFailure) {
    return {
      code: 'STEP_TIMEOUT',
      message: `${errorCodes.STEP_TIMEOUT.summary}: ${cause.message}`,
      found: `Temporal waited for the step in vain (${cause.timeoutType})`,
      remedy: 'See whether the worker of the host runs and what its log says, then retry.',
    };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: 'INTERNAL', message, found: message, remedy: 'Please report it with the worker log.' };
}

/** Ends the workflow as failed, with a code that the client knows and the error that led there as its cause. */
export function migrationFailure(failure: StepFailure, cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    message: failure.message,
    type: failure.code,
    nonRetryable: true,
    details: [{ found: failure.found, remedy: failure.remedy }],
    ...(cause instanceof Error ? { cause } : {}),
  });
}

export function isErrorCode(type: string | null | undefined): type is ErrorCode {
  return typeof type === 'string' && type in errorCodes;
}

/** The failure of a preflight that found blockers; undefined when nothing blocks. */
export function blockedBy(findings: readonly Finding[]): ApplicationFailure | undefined {
  const blockers = findings.filter((finding) => finding.severity === 'blocker');
  const [first, ...others] = blockers;
  if (!first) return undefined;
  const summary = errorCodes.PREFLIGHT_BLOCKED.summary;
  const found = blockers.map((finding) => `${finding.code}: ${finding.found}`).join('; ');
  return ApplicationFailure.create({
    message: `${summary}: ${found}`,
    // A single reason is shown under its own name.
    type: others.length === 0 ? first.code : 'PREFLIGHT_BLOCKED',
    nonRetryable: true,
    details: [{ found, remedy: blockers.map((finding) => finding.remedy).join(' ') }],
  });
}
