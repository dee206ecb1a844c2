import { type BatchView, countOf, type Counts } from '../../contracts/batch.ts';

/** The Markdown that the Temporal UI shows as a batch's current details. */
export function batchDetails(view: BatchView): string {
  const done = view.counts.completed + view.counts.failed + view.counts.skipped;
  const lines = [
    `**${view.name}**: ${view.status}, ${done} of ${countOf(view.counts)} VMs, ${view.atOnce} at once`,
    '',
    '| wave | waiting | running | parked | completed | failed | skipped |',
    '|---|---|---|---|---|---|---|',
    ...view.waves.map(
      ({ name, counts }, index) => `| ${index === view.wave ? `**${name}**` : name} | ${row(counts)} |`,
    ),
  ];
  if (view.status === 'waiting for approval')
    lines.push('', `Then \`longhaul batch approve ${view.name} ${view.waves[view.wave]?.name ?? ''}\`.`);
  if (view.counts.parked > 0)
    lines.push('', `What is parked and why: \`longhaul batch status ${view.name}\`.`);
  if (view.lostPages > 0)
    lines.push(
      '',
      `${view.lostPages} pages were ended from outside; see \`longhaul batch report ${view.name}\`.`,
    );
  return lines.join('\n');
}

const row = ({ waiting, running, parked, completed, failed, skipped }: Counts): string =>
  [waiting, running, parked, completed, failed, skipped].join(' | ');
