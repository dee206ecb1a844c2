import { TestWorkflowEnvironment } from '@temporalio/testing';
import { resolveEmbeddedOptions } from '../../workers/options.ts';
import { findTemporalBinary } from '../../workers/embedded/temporal-binary.ts';

let found: Promise<string> | undefined;

/** Path of the Temporal CLI that setup.sh put in place. */
export function temporalBinary(): Promise<string> {
  found ??= findTemporalBinary(resolveEmbeddedOptions()).then(({ path }) => path);
  return found;
}

/** Gives up after so many servers of which none came up in time: the SDK waits five seconds for each. */
const tries = 5;

/** A Temporal server of its own, in memory. */
export async function temporalInMemory(): Promise<TestWorkflowEnvironment> {
  const server = { executable: { type: 'existing-path', path: await temporalBinary() } } as const;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await TestWorkflowEnvironment.createLocal({ server });
    } catch (error) {
      if (attempt === tries) throw error;
    }
  }
}
