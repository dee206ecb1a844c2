import { WorkflowNotFoundError } from '@temporalio/client';

/** What a workflow answers; undefined when there is none, or it has ended and cannot be told. */
export async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
