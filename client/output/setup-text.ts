import { formatDuration } from '../../contracts/units.ts';
import type { SetupItem } from '../../workers/namespace-setup.ts';
import type { NamespaceSetup } from '../longhaul-client.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';

/** A line for each thing: whether it was there, what was done; and the sum. */
export function setupText({ address, namespace, items, complete }: NamespaceSetup, paint: Paint): string {
  const rows = items.map((item) => [mark(item, paint), nameOf(item), noteOf(item)]);
  const place = `Namespace ${safeLine(namespace)} at ${address}`;
  return [place, alignColumns(rows, '  '), '', verdict(items, complete, paint)].join('\n');
}

function mark({ state }: SetupItem, paint: Paint): string {
  switch (state) {
    case 'there':
      return paint.green('ok');
    case 'done':
      return paint.green('done');
    case 'lacking':
      return paint.red('lacking');
  }
}

function nameOf({ thing, name }: SetupItem): string {
  switch (thing) {
    case 'namespace':
      return `namespace ${safeLine(name)}`;
    case 'retention':
      return 'retention';
    case 'search-attribute':
      return `search attribute ${name}`;
  }
}

function noteOf({ thing, state, foundHours, wantedHours = 0 }: SetupItem): string {
  const made = { there: '', done: thing === 'namespace' ? 'created' : 'registered', lacking: '' };
  if (thing !== 'retention') return made[state];
  const span = (hours: number) => formatDuration(hours * 3600);
  if (state === 'there' || foundHours === undefined) return span(wantedHours);
  return state === 'done'
    ? `${span(wantedHours)}, was ${span(foundHours)}`
    : `${span(foundHours)}, not ${span(wantedHours)}`;
}

function verdict(items: readonly SetupItem[], complete: boolean, paint: Paint): string {
  if (!complete) return paint.red('Something is lacking: run it again without --check.');
  const changed = items.some(({ state }) => state === 'done');
  return paint.green(changed ? 'Ready for Longhaul.' : 'Ready for Longhaul; there was nothing to do.');
}
