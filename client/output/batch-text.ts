import { type BatchView, countOf, type Counts, type VmOutcome } from '../../contracts/batch.ts';
import { formatBytes, formatDuration, secondsBetween } from '../../contracts/units.ts';
import type { BatchRow } from '../batch/batches.ts';
import type { Paint } from '../options.ts';
import { type CsvColumn, csvText } from './csv.ts';
import { alignColumns, safeLine, wrap } from './text.ts';

export interface BatchStyle {
  paint: Paint;
  columns: number;
  nowMs: number;
}

/** More trouble than that is for the report. */
const shownAtMost = 20;

/** A batch on a screen: one line for all, one a wave, what runs, and what is parked or failed and why. */
export function batchText(view: BatchView, vms: readonly VmOutcome[], style: BatchStyle): string {
  const { paint } = style;
  const parts = [headline(view, vms, style), wavesText(view, paint)];
  const running = vms.filter(({ status }) => status === 'running');
  if (running.length > 0)
    parts.push(
      section(
        `Running: ${running.length}`,
        running.map((vm) => safeLine(vm.vm)),
        style,
      ),
    );
  parts.push(...troubleOf(vms, 'parked', style), ...troubleOf(vms, 'failed', style));
  if (view.looking) parts.push(`Looks through ${safeLine(view.looking.what)}.`);
  parts.push(...selectedText(view, style));
  if (view.status === 'waiting for approval')
    parts.push(
      paint.yellow(`Waits for: longhaul batch approve ${view.name} ${view.waves[view.wave]?.name ?? ''}`),
    );
  if (view.lostPages > 0)
    parts.push(
      paint.red(`${view.lostPages} of its pages were ended from outside; their VMs count as failed.`),
    );
  return parts.join('\n\n');
}

/** What came of looking for VMs, and why a batch that could not look has begun nothing. */
function selectedText({ selected, failure }: BatchView, style: BatchStyle): string[] {
  const { paint } = style;
  const parts: string[] = [];
  if (failure)
    parts.push(
      `${paint.red(failure.code)} ${safeLine(failure.found)}\n  ${paint.bold('do:')} ${safeLine(failure.remedy)}`,
    );
  if (selected === undefined) return parts;
  const { vms, leftOut, refused, refusedCount, gaps } = selected;
  const before = leftOut === 0 ? '' : `, ${leftOut} of them migrated before, under way, or found twice`;
  parts.push(`Found ${vms + leftOut + refusedCount} VMs${before}.`);
  const more = refusedCount - refused.length;
  const lines = [...refused, ...(more > 0 ? [`and ${more} more`] : [])];
  if (refusedCount > 0)
    parts.push(
      [
        paint.yellow('Cannot be migrated so'),
        ...lines.map((line) => wrap(safeLine(line), style.columns, '  ')),
      ].join('\n'),
    );
  parts.push(...gaps.map((gap) => `${paint.yellow('warning:')} ${safeLine(gap)}`));
  return parts;
}

function headline(view: BatchView, vms: readonly VmOutcome[], { paint, nowMs }: BatchStyle): string {
  const total = countOf(view.counts);
  const done = view.counts.completed + view.counts.failed + view.counts.skipped;
  const started = safeLine(view.startedAt);
  const last = vms.map(({ endedAt }) => endedAt ?? '').reduce((a, b) => (a > b ? a : b), '');
  const isOver = isBatchOver(view);
  const until = isOver && last !== '' ? last : new Date(nowMs).toISOString();
  const seconds = secondsBetween(started, until);
  const rate = view.dataBytes > 0 && seconds > 0 ? `, ${formatBytes(view.dataBytes / seconds)}/s` : '';
  const eta = isOver ? undefined : etaSeconds(view, seconds);
  const rest = eta === undefined ? '' : `, some ${formatDuration(eta)} to go`;
  const edge = view.windowEdgeAt === undefined || isOver ? '' : `, ${edgeText(view, nowMs)}`;
  return `${paint.bold(safeLine(view.name))}  ${statusPaint(view, paint)}, ${done} of ${total} VMs, ${formatDuration(seconds)}, ${formatBytes(view.dataBytes)}${rate}${rest}${edge}`;
}

/** By how long it took so far for each VM that ended; unknown before the first. */
function etaSeconds({ counts }: BatchView, seconds: number): number | undefined {
  const done = counts.completed + counts.failed;
  const left = counts.waiting + counts.running;
  return done === 0 || left === 0 ? undefined : (seconds / done) * left;
}

function edgeText(view: BatchView, nowMs: number): string {
  const what = view.status === 'waiting for its window' ? 'opens' : 'closes';
  return `its window ${what} in ${formatDuration(secondsBetween(new Date(nowMs).toISOString(), view.windowEdgeAt ?? ''))}`;
}

export const isBatchOver = ({ status }: Pick<BatchView, 'status'>): boolean =>
  ['completed', 'stopped', 'failed', 'cancelled'].includes(status);

function statusPaint(view: BatchView, paint: Paint): string {
  switch (view.status) {
    case 'completed':
      return view.counts.failed > 0 ? paint.yellow('completed') : paint.green('completed');
    case 'running':
      return paint.cyan('running');
    case 'stopped':
    case 'failed':
    case 'cancelled':
      return paint.red(view.status);
    case 'filling':
    case 'paused':
    case 'waiting for approval':
    case 'waiting for its window':
      return paint.yellow(view.status);
  }
}

const heads = ['WAVE', 'WAITING', 'RUNNING', 'PARKED', 'COMPLETED', 'FAILED', 'SKIPPED'];

function wavesText(view: BatchView, paint: Paint): string {
  return alignColumns([
    heads.map((head) => paint.dim(head)),
    ...view.waves.map(({ name, counts }, index) => [
      index === view.wave && !isBatchOver(view) ? paint.cyan(safeLine(name)) : safeLine(name),
      ...cells(counts, paint),
    ]),
  ]);
}

const cells = ({ waiting, running, parked, completed, failed, skipped }: Counts, paint: Paint): string[] => [
  String(waiting),
  String(running),
  parked > 0 ? paint.yellow(String(parked)) : '0',
  String(completed),
  failed > 0 ? paint.red(String(failed)) : '0',
  String(skipped),
];

function section(title: string, names: readonly string[], { columns, paint }: BatchStyle): string {
  return `${paint.dim(title)}\n${wrap(names.join(', '), columns, '  ')}`;
}

function troubleOf(vms: readonly VmOutcome[], what: 'parked' | 'failed', style: BatchStyle): string[] {
  const { paint, columns } = style;
  const mine = vms.filter(({ status, code }) =>
    what === 'parked' ? status === 'parked' : status !== 'parked' && code,
  );
  if (mine.length === 0) return [];
  const colour = what === 'parked' ? paint.yellow : paint.red;
  const lines = mine.slice(0, shownAtMost).map(({ vm, code, found, remedy }) => {
    const why = wrap(safeLine(found ?? ''), columns, '    ');
    const todo = remedy === undefined ? '' : `\n${wrap(safeLine(remedy), columns, '    ')}`;
    return `  ${colour(safeLine(vm))}  ${code ?? ''}\n${why}${todo}`;
  });
  if (mine.length > shownAtMost) lines.push(`  and ${mine.length - shownAtMost} more: see the report`);
  return [`${colour(what === 'parked' ? 'Parked' : 'Failed')}\n${lines.join('\n')}`];
}

export function batchListText(rows: readonly BatchRow[], paint: Paint, nowMs: number): string {
  if (rows.length === 0) return 'No batches yet.';
  const now = new Date(nowMs).toISOString();
  return alignColumns([
    ['BATCH', 'STATE', 'STARTED', 'TOOK'].map((head) => paint.dim(head)),
    ...rows.map((row) => [
      safeLine(row.name),
      safeLine(row.status),
      `${row.startedAt.slice(0, 10)} ${row.startedAt.slice(11, 16)}Z`,
      formatDuration(secondsBetween(row.startedAt, row.endedAt ?? now)),
    ]),
  ]);
}

const csvColumns: readonly CsvColumn<VmOutcome>[] = [
  ['vm', (vm) => vm.vm],
  ['migrationId', (vm) => vm.migrationId],
  ['status', (vm) => vm.status],
  ['host', (vm) => vm.hostId],
  ['startedAt', (vm) => vm.startedAt],
  ['endedAt', (vm) => vm.endedAt],
  ['dataBytes', (vm) => vm.dataBytes],
  ['virtualBytes', (vm) => vm.virtualBytes],
  ['resumedBytes', (vm) => vm.resumedBytes],
  ['code', (vm) => vm.code],
  ['found', (vm) => vm.found],
  ['remedy', (vm) => vm.remedy],
];

/** How each VM fared, as CSV. */
export const batchCsv = (vms: readonly VmOutcome[]): string => csvText(csvColumns, vms);
