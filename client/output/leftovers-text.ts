import type { Leftover } from '../../activities/sources/azure/leftovers.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';

/** Something that was found at a source, whose it is, and what became of it. */
export interface LeftoverRow extends Leftover {
  /** Of its migration. */
  state: 'running' | 'over' | 'unknown';
  fate: 'kept' | 'removed' | 'failed';
  /** Why it could not be removed. */
  reason?: string;
}

/** A table, the reasons of failures below it, and what can be done next. */
export function leftoversText(rows: readonly LeftoverRow[], paint: Paint): string {
  if (rows.length === 0) return 'Nothing of Longhaul is there.';
  const table = alignColumns([
    ['KIND', 'GROUP', 'NAME', 'SINCE', 'MIGRATION', 'IT IS', ''].map((head) => paint.dim(head)),
    ...rows.map(({ kind, resourceGroup, name, createdAt, run, state, fate }) => [
      kind,
      safeLine(resourceGroup),
      safeLine(name),
      createdAt === undefined ? '-' : `${createdAt.slice(0, 10)} ${createdAt.slice(11, 16)}Z`,
      safeLine(run.migrationId),
      { running: 'under way', over: 'over', unknown: 'not known here' }[state],
      { kept: '', removed: paint.green('removed'), failed: paint.red('not removed') }[fate],
    ]),
  ]);
  const reasons = rows.flatMap(({ name, reason }) =>
    reason === undefined ? [] : [`${safeLine(name)}: ${safeLine(reason)}`],
  );
  const left = (state: LeftoverRow['state']) =>
    rows.filter((row) => row.state === state && row.fate === 'kept').length;
  const hints = [
    ...(left('over') > 0 ? [`${left('over')} of migrations that are over: --delete removes them.`] : []),
    ...(left('unknown') > 0
      ? [`${left('unknown')} may be of another Temporal namespace: --delete --unknown removes them.`]
      : []),
  ];
  return [table, ...(reasons.length === 0 ? [] : [reasons.join('\n')]), ...hints].join('\n\n');
}
