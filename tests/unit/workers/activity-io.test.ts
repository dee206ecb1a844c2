import { WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { runActivity } from '../../../workers/activity-io.ts';

it('a server that does not answer an update in time is asked again', async () => {
  // As gRPC has it.
  const late = Object.assign(new Error('4 DEADLINE_EXCEEDED'), {
    code: 4,
    details: 'Deadline exceeded',
    metadata: {},
  });
  const step = () =>
    runActivity(
      'preflight',
      () => Promise.resolve(),
      () => Promise.reject(new WorkflowUpdateRPCTimeoutOrCancelledError('late', { cause: late })),
    );
  await expect(new MockActivityEnvironment().run(step)).rejects.toMatchObject({
    type: 'TEMPORAL_UNREACHABLE',
    nonRetryable: false,
  });
});
