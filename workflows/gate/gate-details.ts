import { isTarget, usedOf, type GateBook } from '../../contracts/gates.ts';

/** Migrations that are named; of many the numbers say more. */
const named = 20;

/** The Markdown that the Temporal UI shows as a gate's current details. */
export function gateDetails(key: string, book: GateBook): string {
  const waiting = book.lines.reduce((sum, line) => sum + line.waiting.length, 0);
  const { holders, lines, limit, bytesPerSecond } = book;
  return [
    `**${key}**: ${usedOf(book)} disks ${isTarget(key) ? 'copied' : 'fetched'} at once, ${limit} allowed; ${waiting} migrations wait`,
    ...(limit === 0 ? ['', 'It is closed.'] : []),
    ...(bytesPerSecond === undefined
      ? []
      : ['', `${bytesPerSecond / 1024 ** 2} MiB a second for all together.`]),
    '',
    '| migration | disks |',
    '|---|---|',
    ...holders.slice(0, named).map(({ migrationId, weight }) => `| ${migrationId} | ${weight} |`),
    ...(lines.length === 0 ? [] : ['', '| next in turn | wait |', '|---|---|']),
    ...lines.slice(0, named).map((line) => `| ${line.line} | ${line.waiting.length} |`),
    '',
    `Change it with \`longhaul limit set ${key} N\`.`,
  ].join('\n');
}
