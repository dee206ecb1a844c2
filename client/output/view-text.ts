import { formatBytes, formatDuration, secondsBetween } from '../../contracts/units.ts';
import type { DiskProgress, MigrationStatus, StepState } from '../../contracts/steps.ts';
import type { LiveView } from '../live-view.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine, wrap } from './text.ts';

export interface ViewStyle {
  paint: Paint;
  columns: number;
  nowMs: number;
}

/** A migration on a screen: one line for all, one a step, a bar for each disk under the step that runs. */
export function viewText(view: LiveView, style: ViewStyle): string {
  const lines = [headline(view, style), ...stepLines(view, style)];
  const trouble = troubleText(view, style);
  if (trouble !== '') lines.push('', trouble);
  if (view.answeredBy === 'server' && isOpen(view.status))
    lines.push(
      '',
      style.paint.yellow('No worker answers, so this is only what the Temporal server knows.'),
      'The migration goes on when a worker is back: `longhaul worker` on its host.',
    );
  return lines.join('\n');
}

export function isOpen(status: MigrationStatus): boolean {
  return status === 'running' || status === 'paused' || status === 'parked';
}

function headline(view: LiveView, { paint, nowMs }: ViewStyle): string {
  const ended = view.endedAt ?? new Date(nowMs).toISOString();
  const where = view.hostId === undefined ? '' : ` on ${safeLine(view.hostId)}`;
  const state =
    view.waitsForHost === undefined ? `${statusText(view, paint)}${where}` : paint.yellow(waitText(view));
  const took = formatDuration(secondsBetween(view.startedAt, ended));
  return `${paint.bold(safeLine(view.vm))}  ${state}, ${took}  ${paint.dim(safeLine(view.migrationId))}`;
}

/** That a step waits for its host. */
function waitText({ hostId, waitsForHost }: Pick<LiveView, 'hostId' | 'waitsForHost'>): string {
  const since = waitsForHost?.since;
  const seen =
    since === undefined ? 'which has no worker' : `gone since ${since.slice(0, 10)} ${since.slice(11, 16)}Z`;
  return `waits for ${safeLine(hostId ?? 'its host')}, ${seen}`;
}

/** The state in its colour; a pause that was asked for and not reached yet is named. */
export function statusText(view: { status: MigrationStatus; pausing?: boolean }, paint: Paint): string {
  if (view.pausing === true) return paint.yellow('pausing after the running step');
  switch (view.status) {
    case 'completed':
      return paint.green('completed');
    case 'running':
      return paint.cyan('running');
    case 'paused':
    case 'parked':
      return paint.yellow(view.status);
    case 'failed':
    case 'cancelled':
    case 'aborted':
      return paint.red(view.status);
  }
}

function stepLines(view: LiveView, style: ViewStyle): string[] {
  const rows = view.steps.map(({ name, state }) => stepCells(name, state, view, style));
  const text = alignColumns(rows, '  ');
  if (text === '') return [];
  return text.split('\n').flatMap((line, index) => {
    const running = view.steps[index]?.state.status === 'running';
    return running ? [line, ...diskLines(view.disks, style)] : [line];
  });
}

function stepCells(name: string, state: StepState, view: LiveView, { paint, nowMs }: ViewStyle): string[] {
  switch (state.status) {
    case 'pending':
      return [paint.dim('·'), paint.dim(name)];
    case 'running': {
      const took = formatDuration(secondsBetween(state.startedAt, new Date(nowMs).toISOString()));
      return [paint.cyan('▶'), name, took, safeLine(view.doing ?? '')];
    }
    case 'done':
      return [paint.green('✓'), name, spent(state), paint.dim(safeLine(state.note ?? ''))];
    case 'skipped':
      return [paint.dim('-'), paint.dim(name), '', paint.dim(`skipped: ${safeLine(state.reason)}`)];
    case 'failed':
      return [paint.red('✗'), name, spent(state), paint.red(state.failure.code)];
  }
}

const spent = (state: { startedAt: string; endedAt: string }) =>
  formatDuration(secondsBetween(state.startedAt, state.endedAt));

function diskLines(disks: readonly DiskProgress[], { paint, columns }: ViewStyle): string[] {
  if (disks.length === 0) return [];
  const bar = Math.max(8, Math.min(30, columns - 74));
  const rows = disks.map((disk) => [
    `disk ${disk.index + 1}`,
    barText(disk, bar, paint),
    `${Math.floor(fractionOf(disk) * 100)} %`.padStart(5),
    `${formatBytes(disk.doneBytes)} of ${formatBytes(disk.totalBytes)}`,
    ...(disk.rateBytesPerSecond > 0 ? [`${formatBytes(disk.rateBytesPerSecond)}/s`] : ['']),
    ...(disk.etaSeconds === undefined || disk.doneBytes >= disk.totalBytes
      ? []
      : [`${formatDuration(Math.max(1, Math.ceil(disk.etaSeconds)))} left`]),
  ]);
  return alignColumns(rows, '      ').split('\n');
}

/** 0 to 1; a disk without data is done. */
function fractionOf(disk: Pick<DiskProgress, 'doneBytes' | 'totalBytes'>): number {
  return disk.totalBytes <= 0 ? 1 : Math.min(1, Math.max(0, disk.doneBytes / disk.totalBytes));
}

function barText(disk: DiskProgress, width: number, paint: Paint): string {
  const full = Math.floor(fractionOf(disk) * width);
  return `${paint.cyan('█'.repeat(full))}${paint.dim('░'.repeat(width - full))}`;
}

function troubleText(view: LiveView, { paint, columns, nowMs }: ViewStyle): string {
  const room = Math.max(60, Math.min(columns, 110));
  const lines: string[] = [];
  for (const retry of view.retries) {
    const inSeconds = retry.nextAt === undefined ? 0 : (Date.parse(retry.nextAt) - nowMs) / 1000;
    const when = inSeconds > 0 ? `is tried again in ${formatDuration(inSeconds)}` : 'is being tried again';
    const text = `${retry.what} failed and ${when} (attempt ${retry.attempt}): ${safeLine(retry.found)}`;
    lines.push(paint.yellow(wrap(text, room, '  ')));
  }
  if (view.failure !== undefined && view.status !== 'completed') {
    const { code, found, remedy } = view.failure;
    lines.push(`  ${paint.red(code)}`, wrap(safeLine(found), room, '  '), wrap(safeLine(remedy), room, '  '));
  }
  if (view.status === 'parked') {
    const id = safeLine(view.migrationId);
    lines.push('', '  It waits for a decision:', ...decisions(id));
  }
  if (view.waitsForHost !== undefined)
    lines.push(
      '  It goes on when a worker of that host is back. To begin it again elsewhere:',
      `    longhaul reassign ${safeLine(view.migrationId)}`,
    );
  if (view.status === 'paused') lines.push(`  Go on with: longhaul resume ${safeLine(view.migrationId)}`);
  return lines.join('\n');
}

function decisions(id: string): string[] {
  return alignColumns(
    [
      [`longhaul retry ${id}`, 'runs the step again; --set KEY=VALUE amends the spec first'],
      [`longhaul skip ${id}`, 'goes on without the step, where that is possible'],
      [`longhaul abort ${id}`, 'ends the migration and undoes what it did'],
    ],
    '    ',
  ).split('\n');
}

/** The state in one line, for output that is not redrawn. */
export function viewLine(view: LiveView): string {
  const running = view.steps.find(({ state }) => state.status === 'running' || state.status === 'failed');
  const disks = view.disks.map((disk) => {
    const rate = disk.rateBytesPerSecond > 0 ? ` at ${formatBytes(disk.rateBytesPerSecond)}/s` : '';
    return `disk ${disk.index + 1} ${Math.floor(fractionOf(disk) * 100)} % of ${formatBytes(disk.totalBytes)}${rate}`;
  });
  const parts = [
    view.pausing ? 'pausing' : view.waitsForHost ? waitText(view) : view.status,
    ...(running === undefined || !isOpen(view.status) ? [] : [running.name]),
    ...(view.doing === undefined || view.doing === '' ? [] : [safeLine(view.doing)]),
    ...disks,
    ...view.retries.map((retry) => `attempt ${retry.attempt} after: ${safeLine(retry.found)}`),
    ...(view.answeredBy === 'server' && isOpen(view.status) ? ['no worker answers'] : []),
  ];
  return `${safeLine(view.vm)}: ${parts.join(', ')}`;
}
