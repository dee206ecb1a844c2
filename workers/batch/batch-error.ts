import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { LonghaulError } from '../../contracts/errors.ts';

/** What of Temporal's errors means something else for a batch than for a migration. */
export function batchError(name: string, error: unknown): unknown {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (cause instanceof ApplicationFailure && cause.type === 'BATCH_EDIT_REFUSED')
    return new LonghaulError(
      'BATCH_EDIT_REFUSED',
      { found: cause.message, remedy: `See \`longhaul batch status ${name}\`.` },
      error,
    );
  if (error instanceof WorkflowNotFoundError)
    return /already completed/.test(error.message)
      ? new LonghaulError(
          'BATCH_EDIT_REFUSED',
          { found: `the batch ${name} has ended`, remedy: `See how: \`longhaul batch report ${name}\`.` },
          error,
        )
      : new LonghaulError(
          'BATCH_NOT_FOUND',
          { found: `there is no batch ${name}`, remedy: '`longhaul batch list` shows what there is.' },
          error,
        );
  return error;
}
