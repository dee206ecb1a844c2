import { formatDuration, secondsBetween } from '../../contracts/units.ts';
import type { MigrationRow } from '../find-migration.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';
import { statusText } from './view-text.ts';

/** Migrations as a table; `none` is said in its place when there is no row. */
export function listText(rows: readonly MigrationRow[], paint: Paint, nowMs: number, none: string): string {
  if (rows.length === 0) return none;
  const now = new Date(nowMs).toISOString();
  return alignColumns([
    ['VM', 'STATE', 'STEP', 'HOST', 'STARTED', 'TOOK', 'ID'].map((head) => paint.dim(head)),
    ...rows.map((row) => [
      safeLine(row.vm),
      row.waitsForHost === true ? paint.yellow('waits for host') : statusText(row, paint),
      row.endedAt === undefined ? (row.step ?? '-') : '-',
      safeLine(row.hostId ?? '-'),
      `${row.startedAt.slice(0, 10)} ${row.startedAt.slice(11, 16)}Z`,
      formatDuration(secondsBetween(row.startedAt, row.endedAt ?? now)),
      paint.dim(safeLine(row.migrationId)),
    ]),
  ]);
}
