import { formatDuration } from '../../contracts/units.ts';
import type { Paint } from '../options.ts';
import type { ScheduleDetails, ScheduleView } from '../schedules.ts';
import { alignColumns, safeLine } from './text.ts';

/** Schedules as a table. */
export function schedulesText(views: readonly ScheduleView[], paint: Paint): string {
  if (views.length === 0)
    return 'No schedules. `longhaul schedule create night.yaml --cron "0 20 * * *"` makes one.';
  return alignColumns([
    ['NAME', 'STATE', 'WHEN', 'NEXT', 'LAST'].map((head) => paint.dim(head)),
    ...views.map((view) => [
      safeLine(view.name),
      view.paused ? paint.yellow('paused') : paint.green('on'),
      safeLine(whenText(view)),
      view.paused ? '-' : timeText(view.next[0], view.timeZone),
      timeText(view.recent[0]?.startedAt, view.timeZone),
    ]),
  ]);
}

const shownAtMost = 5;

/** One schedule: its times and policies, what it will begin, what it has begun. */
export function scheduleText(view: ScheduleDetails, paint: Paint): string {
  const { counts, timeZone } = view;
  const state = view.paused ? paint.yellow('paused') : paint.green('on');
  const note = view.note === undefined ? '' : `, ${safeLine(view.note)}`;
  const facts = alignColumns([
    ['when', safeLine(whenText(view))],
    [
      'begins',
      view.jitterMs === 0 ? 'on time' : `up to ${formatDuration(view.jitterMs / 1000)} later, by chance`,
    ],
    ['one still runs', overlapText[view.overlap] ?? safeLine(view.overlap)],
    ['missed', `made up for until ${formatDuration(view.catchUpMs / 1000)} later`],
    [
      'so far',
      `${counts.begun} begun, ${counts.overlapped} left out because one still ran, ${counts.missed} missed`,
    ],
  ]);
  const parts = [`${paint.bold(safeLine(view.name))}  ${state}${note}`, facts];
  const next = view.next.slice(0, shownAtMost).map((time) => `  ${timeText(time, timeZone)}`);
  if (!view.paused && next.length > 0) parts.push([paint.dim('To come'), ...next].join('\n'));
  const recent = view.recent.slice(0, shownAtMost).map(({ batch, startedAt }) => {
    const runs = view.running.includes(batch) ? `  ${paint.cyan('runs')}` : '';
    return [`  ${timeText(startedAt, timeZone)}`, `${safeLine(batch)}${runs}`];
  });
  if (recent.length > 0)
    parts.push(`${paint.dim('Batches, see `longhaul batch status`')}\n${alignColumns(recent)}`);
  return parts.join('\n\n');
}

const overlapText: Readonly<Record<string, string>> = {
  skip: 'the next is left out',
  wait: 'the next waits for its end',
  'cancel-other': 'it is cancelled',
  'allow-all': 'both run',
};

const whenText = ({ when, timeZone }: ScheduleView) => `${when.join('; ')} (${timeZone})`;

/** As the clocks of the schedule's time zone show it. */
function timeText(iso: string | undefined, timeZone: string): string {
  if (iso === undefined) return '-';
  const two = '2-digit';
  const style = { year: 'numeric', month: two, day: two, hour: two, minute: two, timeZone } as const;
  // Sweden writes years first.
  return new Intl.DateTimeFormat('sv-SE', style).format(new Date(iso));
}
