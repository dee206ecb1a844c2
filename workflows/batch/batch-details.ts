import { type BatchView, countOf, type Counts } from '../../contracts/batch.ts';
import { code, prose, text, time } from '../../contracts/markdown.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import { formatBytes } from '../../contracts/units.ts';
import { detailsTable } from '../details-table.ts';

/** The Markdown that the Temporal UI shows as a batch's current details: how far it is, what to do, its waves. */
export function batchDetails(view: BatchView): string {
  return [headline(view), ...trouble(view), ...waits(view), waveTable(view), ...lists(view)].join('\n\n');
}

function headline({ name, status, counts, atOnce, dataBytes }: BatchView): string {
  const ended = counts.completed + counts.failed + counts.skipped;
  const data = dataBytes > 0 ? `, ${formatBytes(dataBytes)} moved` : '';
  return `**${text(name)}**: ${status}, ${ended} of ${countOf(counts)} VMs ended, ${atOnce} at once${data}`;
}

function trouble({ name, failure, lostPages }: BatchView): string[] {
  return [
    ...(failure === undefined
      ? []
      : [`**${failure.code}**: ${prose(failure.found)}`, `What to do: ${prose(failure.remedy)}`]),
    ...(lostPages === 0
      ? []
      : [`${lostPages} of its pages were ended from outside; see ${code(`longhaul batch report ${name}`)}`]),
  ];
}

function waits({ name, status, wave, waves, windowEdgeAt, looking }: BatchView): string[] {
  const at = waves[wave]?.name ?? '';
  switch (status) {
    case 'waiting for approval':
      return [`The wave **${text(at)}** begins with ${code(`longhaul batch approve ${name} ${at}`)}`];
    case 'waiting for its window':
      return windowEdgeAt === undefined ? [] : [`It goes on at ${time(windowEdgeAt)}`];
    case 'paused':
      return [`Go on with ${code(`longhaul batch resume ${name}`)}`];
    case 'filling':
      return looking === undefined ? [] : [looksText(looking)];
    case 'running':
    case 'completed':
    case 'stopped':
    case 'failed':
    case 'cancelled':
      return [];
  }
}

function looksText({ what, host }: NonNullable<BatchView['looking']>): string {
  const waits =
    host === undefined ? '' : `. If that lasts, see whether the host is there: ${code('longhaul host list')}`;
  return `It looks through ${text(what)}${waits}`;
}

function waveTable({ wave: current, waves }: BatchView): string {
  return detailsTable(
    ['Wave', 'Waiting', 'Running', 'Parked', 'Completed', 'Failed', 'Skipped'],
    waves.map(({ name, counts }, index) => [
      index === current ? `**${text(name)}**` : text(name),
      ...cells(counts),
    ]),
  );
}

const cells = ({ waiting, running, parked, completed, failed, skipped }: Counts): string[] =>
  [waiting, running, parked, completed, failed, skipped].map((count) => (count === 0 ? '·' : String(count)));

/** Where its VMs are found: here, and in a terminal. */
function lists({ name, batchId, counts }: BatchView): string[] {
  const of = (state: string) =>
    code(`${searchAttributes.batch.name} = "${batchId}" AND ${searchAttributes.state.name} = "${state}"`);
  return [
    ...(counts.parked === 0
      ? []
      : [`Parked VMs wait for a decision. In the list of workflows: ${of('parked')}`]),
    ...(counts.failed === 0 ? [] : [`Failed VMs: ${of('failed')}`]),
    `All of them and why: ${code(`longhaul batch status ${name}`)}`,
  ];
}
