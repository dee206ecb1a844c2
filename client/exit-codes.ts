import { errorCodes, type ErrorCode } from '../contracts/error-codes.ts';
import { LonghaulError } from '../contracts/errors.ts';
import type { MigrationView, StepName } from '../contracts/steps.ts';

/** How `longhaul` ends, for scripts. docs/cli.md and `--help` print this table. */
export const exitCodes = {
  ok: { code: 0, meaning: 'done, as asked' },
  failed: { code: 1, meaning: 'what was asked failed; the message says why' },
  usage: { code: 2, meaning: 'the command line, a setting or the spec is not valid' },
  unreachable: { code: 3, meaning: 'the Temporal server or a worker does not answer' },
  blocked: { code: 4, meaning: 'preflight found problems that block the migration' },
  parked: { code: 5, meaning: 'the migration waits for a decision: retry, skip or abort' },
  conflict: { code: 6, meaning: 'no such migration, more than one, or not in a state for this' },
  ended: { code: 7, meaning: 'the migration was cancelled or aborted' },
  lacking: { code: 8, meaning: 'something is lacking that `longhaul setup` would set up' },
  detached: { code: 130, meaning: 'interrupted while following; the migration goes on' },
} as const;

export type ExitName = keyof typeof exitCodes;

const byErrorCode: Partial<Record<ErrorCode, ExitName>> = {
  SPEC_INVALID: 'usage',
  OPTION_INVALID: 'usage',
  TEMPORAL_UNREACHABLE: 'unreachable',
  NO_WORKER: 'unreachable',
  PREFLIGHT_BLOCKED: 'blocked',
  BATCH_INVALID: 'usage',
  BATCH_NOT_FOUND: 'conflict',
  BATCH_EXISTS: 'conflict',
  SCHEDULE_EXISTS: 'conflict',
  SCHEDULE_NOT_FOUND: 'conflict',
  SCHEDULE_INVALID: 'usage',
  BATCH_EDIT_REFUSED: 'conflict',
  MIGRATION_NOT_FOUND: 'conflict',
  MIGRATION_AMBIGUOUS: 'conflict',
  MIGRATION_EXISTS: 'conflict',
  MIGRATION_ENDED: 'conflict',
  MIGRATION_NOT_PARKED: 'conflict',
  REASSIGN_REFUSED: 'conflict',
  HOST_NOT_FOUND: 'conflict',
  MIGRATION_ABORTED: 'ended',
};

export function exitOfError(error: unknown): ExitName {
  return error instanceof LonghaulError ? exitOfCode(error.code) : 'failed';
}

export function exitOfCode(code: ErrorCode): ExitName {
  return byErrorCode[code] ?? 'failed';
}

/** How following a migration ends, by the state it stopped in and, for a failure, by the step that failed. */
export function exitOfView({
  status,
  steps,
  failure,
}: Pick<MigrationView, 'status' | 'steps' | 'failure'>): ExitName {
  switch (status) {
    case 'completed':
    case 'running':
    case 'paused':
      return 'ok';
    case 'parked':
      return 'parked';
    case 'cancelled':
    case 'aborted':
      return 'ended';
    case 'failed':
      return failedStep(steps) === 'preflight' && failure?.code !== 'STEP_TIMEOUT' ? 'blocked' : 'failed';
  }
}

/** A single blocker is shown under its own code, so the code does not tell a blocked migration. */
function failedStep(steps: MigrationView['steps']): StepName | undefined {
  return steps.find(({ state }) => state.status === 'failed')?.name;
}

export function exitCodeTable(): string {
  const rows = Object.values(exitCodes).map(
    ({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`,
  );
  return `Exit codes:\n${rows.join('\n')}`;
}

/** True for a string that is one of our error codes, as it comes back from Temporal. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value);
}
