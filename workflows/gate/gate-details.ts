import { isTarget, usedOf, type GateBook } from '../../contracts/gates.ts';
import { code, text } from '../../contracts/markdown.ts';
import { formatBytes } from '../../contracts/units.ts';
import { detailsTable } from '../details-table.ts';

/** Migrations that are named; of many the numbers say more. */
const named = 20;

/** The Markdown that the Temporal UI shows as a gate's current details. */
export function gateDetails(key: string, book: GateBook): string {
  const waiting = book.lines.reduce((sum, line) => sum + line.waiting.length, 0);
  const done = isTarget(key) ? 'copied' : 'fetched';
  const { holders, lines, limit, bytesPerSecond } = book;
  const within = holders.slice(0, named).map((one) => [text(one.migrationId), String(one.weight)]);
  const behind = lines.slice(0, named).map((one) => [text(one.line), String(one.waiting.length)]);
  return [
    `${isTarget(key) ? 'To' : 'From'} ${code(key)} ${usedOf(book)} of at most ${limit} disks are ${done} at once; ${waiting} migrations wait for their turn`,
    ...(limit === 0 ? ['It is closed: nobody is let in'] : []),
    ...(bytesPerSecond === undefined ? [] : [`All together fetch at most ${formatBytes(bytesPerSecond)}/s`]),
    ...(within.length === 0 ? [] : [detailsTable(['Within', 'Disks'], within)]),
    ...(behind.length === 0 ? [] : [detailsTable(['Next in turn', 'Migrations that wait'], behind)]),
    `Change the limit with ${code(`longhaul limit set ${key} N`)}`,
  ].join('\n\n');
}
