import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { GrantAccess } from './sas-access.ts';

interface AccessCalls {
  /** For people: `snapshot longhaul-1`. */
  what: string;
  grant: (durationSeconds: number, io: StepIo) => Promise<{ accessSAS?: string }>;
  revoke: (io: StepIo) => Promise<void>;
}

/** A signed address; a place for one is made when a snapshot has as many as it may have. */
export function granting({ what, grant, revoke }: AccessCalls, io: StepIo): GrantAccess {
  return async (seconds, signal) => {
    const own = { ...io, signal };
    const { accessSAS } = await grant(seconds, own).catch(async (error: unknown) => {
      if (!isConflict(error)) throw error;
      await revoke(own);
      return grant(seconds, own);
    });
    if (accessSAS === undefined)
      throw new LonghaulError('AZURE_FAILED', {
        found: `Azure gave access to the ${what} and no address`,
        remedy: 'Retry.',
      });
    return new URL(accessSAS);
  };
}

function isConflict(error: unknown): error is LonghaulError {
  return error instanceof LonghaulError && error.details.status === 409;
}
