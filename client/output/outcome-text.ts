import type { MigrationReport } from '../../contracts/steps.ts';
import { formatBytes, formatDuration, secondsBetween } from '../../contracts/units.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';

/** The few lines that close a migration on a screen; the report has the rest. */
export function outcomeText(report: MigrationReport, paint: Paint): string {
  const took = formatDuration(secondsBetween(report.startedAt, report.endedAt));
  const proof = report.boot === undefined ? '; its boot was not checked' : ' and boots';
  const rows: string[][] = [];
  const { domain, boot } = report;
  if (domain !== undefined)
    rows.push(['domain', `${safeLine(domain.name)} at ${safeLine(domain.uri)}, defined, not started`]);
  for (const disk of report.disks)
    rows.push([
      `disk ${disk.index + 1}`,
      `${safeLine(disk.path)}, ${formatBytes(disk.virtualSizeBytes)}, ${formatBytes(disk.allocatedBytes)} on disk`,
    ]);
  const changes = report.fixes.reduce((sum, fix) => sum + fix.changes.length, 0);
  if (report.fixes.length > 0) rows.push(['guest', changes === 0 ? 'nothing to fix' : `${changes} changes`]);
  if (boot !== undefined)
    rows.push(['boot', `${safeLine(boot.evidence)} after ${formatDuration(boot.seconds)}`]);
  for (const kept of report.kept) rows.push(['kept', safeLine(kept)]);
  rows.push(['report', `longhaul report ${safeLine(report.migrationId)}`]);
  return `${paint.green(`${safeLine(report.vm)} was migrated${proof}`)}, ${took}\n${alignColumns(rows, '  ')}`;
}
