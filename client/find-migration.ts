import { LonghaulError } from '../contracts/errors.ts';
import { nearest } from '../contracts/nearest.ts';
import type { MigrationStatus, StepName } from '../contracts/steps.ts';

/** One line of `longhaul list`. Times in ISO 8601 UTC. */
export interface MigrationRow {
  migrationId: string;
  vm: string;
  status: MigrationStatus;
  step?: StepName;
  hostId?: string;
  /** Its host is gone, and it goes on when that is back. */
  waitsForHost?: boolean;
  startedAt: string;
  endedAt?: string;
}

/**
 * The migration a person means: its id, its VM's name, or the beginning of its id that no other has. Where
 * several fit and one alone still runs, that one is meant. Throws MIGRATION_NOT_FOUND with the nearest known
 * name, or MIGRATION_AMBIGUOUS with those that fit.
 */
export function findMigration(reference: string, rows: readonly MigrationRow[]): MigrationRow {
  const exact = rows.find((row) => row.migrationId === reference);
  if (exact !== undefined) return exact;
  const byName = rows.filter((row) => row.vm === reference);
  const fitting = byName.length > 0 ? byName : rows.filter((row) => row.migrationId.startsWith(reference));
  const open = fitting.filter((row) => row.endedAt === undefined);
  const meant = fitting.length === 1 ? fitting[0] : open.length === 1 ? open[0] : undefined;
  if (meant !== undefined) return meant;
  throw fitting.length === 0 ? notFound(reference, rows) : ambiguous(reference, fitting);
}

function notFound(reference: string, rows: readonly MigrationRow[]): LonghaulError {
  const near = nearest(
    reference,
    rows.flatMap((row) => [row.vm, row.migrationId]),
  );
  return new LonghaulError('MIGRATION_NOT_FOUND', {
    found: `There is no migration "${reference}"${rows.length === 0 ? '; there are none at all' : ''}.`,
    remedy:
      near === undefined
        ? 'See which there are with `longhaul list`.'
        : `Did you mean ${near}? \`longhaul list\` shows all there are.`,
  });
}

function ambiguous(reference: string, fitting: readonly MigrationRow[]): LonghaulError {
  const shown = fitting.slice(0, 5).map((row) => `${row.migrationId} (${row.status})`);
  const more = fitting.length > shown.length ? ` and ${fitting.length - shown.length} more` : '';
  return new LonghaulError('MIGRATION_AMBIGUOUS', {
    found: `"${reference}" fits ${fitting.length} migrations: ${shown.join(', ')}${more}.`,
    remedy: 'Give more of the id.',
    details: { migrationIds: fitting.map((row) => row.migrationId) },
  });
}
