import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { GrantAccess } from './sas-access.ts';

/** Incremental snapshots of a disk that access is given to at a time. */
export const mostReadOfDisk = 5;
export const revokeOthers =
  'Azure lets five snapshots of a disk be read at a time. Revoke access to some that are not needed (az snapshot revoke-access), or wait until they are done with; then retry.';

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
      return grant(seconds, own).catch((again: unknown) => {
        throw isConflict(again) ? inUse(what, again) : again;
      });
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

/** All own access is revoked: others must be in the way. */
function inUse(what: string, error: LonghaulError): LonghaulError {
  return new LonghaulError(
    'AZURE_ACCESS_LIMIT',
    { found: `no access to the ${what}: ${error.found}`, remedy: revokeOthers, details: error.details },
    error,
  );
}
