import { isTarget, usedOf } from '../../contracts/gates.ts';
import { formatBytes } from '../../contracts/units.ts';
import type { GateView } from '../gates.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';

const waitingOf = ({ lines }: GateView) => lines.reduce((sum, { waiting }) => sum + waiting.length, 0);

/** Limits as a table. */
export function limitsText(gates: readonly GateView[], paint: Paint): string {
  if (gates.length === 0)
    return 'No limit was set, and nothing is fetched from elsewhere: the defaults hold.';
  return alignColumns([
    ['LIMIT OF', 'DISKS', 'TOGETHER', 'NOW', 'MIGRATIONS WAIT'].map((head) => paint.dim(head)),
    ...gates.map((gate) => [
      safeLine(gate.key),
      String(gate.limit),
      budgetText(gate),
      String(usedOf(gate)),
      String(waitingOf(gate)),
    ]),
  ]);
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

const budgetText = ({ bytesPerSecond }: GateView): string =>
  bytesPerSecond === undefined ? '-' : `${formatBytes(bytesPerSecond)}/s`;

/** One limit: who fetches, and who waits in what order. */
export function limitText(gate: GateView, paint: Paint): string {
  const { key, limit, holders, lines } = gate;
  const waiting = waitingOf(gate);
  const head = `${safeLine(key)}: ${counted(usedOf(gate), 'disk')} ${isTarget(key) ? 'copied' : 'fetched'} at once, ${limit} allowed${gate.bytesPerSecond === undefined ? '' : `, ${budgetText(gate)} together`}; ${waiting === 1 ? '1 migration waits' : `${waiting} migrations wait`}`;
  const within = [
    [isTarget(key) ? 'COPIES' : 'FETCHES', 'DISKS'].map((title) => paint.dim(title)),
    ...holders.map(({ migrationId, weight }) => [safeLine(migrationId), String(weight)]),
  ];
  const outside = [
    ['WAITS, BY TURNS', 'FIRST'].map((title) => paint.dim(title)),
    ...lines.map(({ line, waiting }) => [
      waiting.length > 1 ? `${safeLine(line)} (${waiting.length})` : safeLine(line),
      safeLine(waiting[0]?.migrationId ?? '-'),
    ]),
  ];
  return [
    head,
    ...(holders.length === 0 ? [] : [alignColumns(within)]),
    ...(lines.length === 0 ? [] : [alignColumns(outside)]),
  ].join('\n\n');
}
