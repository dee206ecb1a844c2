import { Connection } from '@temporalio/client';
import { messageOf } from '../../contracts/errors.ts';
import type { TemporalOptions } from '../options.ts';
import { findTemporalBinary, type TemporalBinaryOptions } from '../embedded/temporal-binary.ts';
import { type Examination, ok, warning } from './check.ts';

/** The program of the embedded server; fetches nothing, `longhaul up` would. */
export function temporalBinaryExamination(options: TemporalBinaryOptions): Examination {
  return {
    name: 'temporal',
    async examine() {
      const { path, version } = await findTemporalBinary({ ...options, download: false });
      return ok(`${version} at ${path}`);
    },
  };
}

/** The server that migrations are started on; a warning only, because `longhaul up` brings its own. */
export function temporalServerExamination(temporal: TemporalOptions, timeoutMs = 3_000): Examination {
  return {
    name: 'Temporal server',
    async examine() {
      try {
        const connection = await Connection.connect({ ...temporal.connection, connectTimeout: timeoutMs });
        try {
          await connection.withDeadline(Date.now() + timeoutMs, () =>
            connection.workflowService.describeNamespace({ namespace: temporal.namespace }),
          );
        } finally {
          await connection.close();
        }
        return ok(`answers at ${temporal.address}, namespace ${temporal.namespace}`);
      } catch (error) {
        return warning(
          `no answer from ${temporal.address}, namespace ${temporal.namespace}: ${messageOf(error)}`,
          'Start the embedded one with "longhaul up", or name yours with --address, TEMPORAL_ADDRESS or a profile.',
        );
      }
    },
  };
}
