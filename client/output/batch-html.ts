import { type BatchView, countOf, type VmOutcome } from '../../contracts/batch.ts';
import { formatBytes, formatDuration, secondsBetween } from '../../contracts/units.ts';
import { isBatchOver } from './batch-text.ts';
import { safe } from './text.ts';

/**
 * How a batch fared, as one page that needs nothing else: no script, no font, no picture from elsewhere, and nothing of
 * what names and messages say is markup.
 */
export function batchHtml(view: BatchView, vms: readonly VmOutcome[], at: Date): string {
  const ended = vms.filter(isTimed);
  const from = view.startedAt;
  const last = ended.reduce((latest, { endedAt }) => (endedAt > latest ? endedAt : latest), from);
  const until = isBatchOver(view) ? last : at.toISOString();
  const span = Math.max(1, secondsBetween(from, until));
  const title = `Batch ${view.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${text(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${text(title)}</h1>
<p class="lead"><b class="${view.status === 'completed' && view.counts.failed > 0 ? 'failed' : text(view.status)}">${text(view.status)}</b>, begun ${time(from)}, seen ${time(at.toISOString())}</p>
${tiles(view, vms, span)}
<h2>Throughput</h2>
${throughput(ended, from, span)}
<h2>Failures and what to do</h2>
${failures(vms)}
${selection(view)}<h2>Waves</h2>
${waves(view)}
<h2>VMs</h2>
${timeline(vms, from, until)}
</body>
</html>`;
}

/** What came of looking for VMs, where a batch did. */
function selection({ selected, failure }: BatchView): string {
  const why = failure
    ? `<p class="failed"><b>${failure.code}</b> ${text(failure.found)} ${text(failure.remedy)}</p>\n`
    : '';
  if (selected === undefined) return why;
  const { vms, leftOut, refused, refusedCount, gaps } = selected;
  const more = refusedCount > refused.length ? [`and ${refusedCount - refused.length} more`] : [];
  const lines = [...refused, ...more, ...gaps].map((line) => `<li>${text(line)}</li>`);
  return `<h2>Looked up</h2>
${why}<p>${vms + leftOut + refusedCount} VMs found: ${vms} taken, ${leftOut} migrated before, under way or found twice, ${refusedCount} that cannot be migrated so.</p>
${lines.length === 0 ? '' : `<ul>${lines.join('')}</ul>\n`}`;
}

type Timed = VmOutcome & { startedAt: string; endedAt: string };
const isTimed = (vm: VmOutcome): vm is Timed => vm.startedAt !== undefined && vm.endedAt !== undefined;

function tiles(view: BatchView, vms: readonly VmOutcome[], span: number): string {
  const { counts, dataBytes } = view;
  const virtual = vms.reduce((sum, vm) => sum + (vm.virtualBytes ?? 0), 0);
  // What was left out is what a copy of whole disks would have moved besides, at the same pace.
  const spared = Math.max(0, virtual - dataBytes);
  const rate = dataBytes / span;
  const resumed = vms.reduce((sum, vm) => sum + (vm.resumedBytes ?? 0), 0);
  const tile = (name: string, value: string, more = '') =>
    `<div class="tile"><span>${name}</span><b>${value}</b><small>${more}</small></div>`;
  return `<div class="tiles">
${tile('VMs', `${counts.completed} of ${countOf(counts)}`, `${counts.failed} failed, ${counts.parked} parked, ${counts.skipped} left out`)}
${tile('Took', formatDuration(span))}
${tile('Data', formatBytes(dataBytes), `${formatBytes(rate)}/s on average`)}
${tile('Not copied', formatBytes(spared), rate > 0 && spared > 0 ? `empty parts of disks: ${formatDuration(spared / rate)} spared` : 'empty parts of disks')}${resumed === 0 ? '' : `\n${tile('Not fetched twice', formatBytes(resumed), rate > 0 ? `kept over interruptions: ${formatDuration(resumed / rate)} spared` : 'kept over interruptions')}`}
</div>`;
}

const bars = 60;
const [width, height] = [900, 120];

/** Bytes of the VMs that ended, spread over the time that each took. */
function throughput(vms: readonly Timed[], from: string, span: number): string {
  const step = span / bars;
  const rates = new Array<number>(bars).fill(0);
  for (const vm of vms) {
    const [start, end] = [secondsBetween(from, vm.startedAt), secondsBetween(from, vm.endedAt)];
    const rate = (vm.dataBytes ?? 0) / Math.max(1, end - start);
    for (let bar = 0; bar < bars; bar += 1) {
      const overlap = Math.min(end, (bar + 1) * step) - Math.max(start, bar * step);
      if (overlap > 0) rates[bar] = (rates[bar] ?? 0) + (rate * overlap) / step;
    }
  }
  const most = Math.max(...rates);
  if (most === 0) return '<p>Nothing has ended yet.</p>';
  const drawn = rates.map((rate, bar) => {
    const tall = (rate / most) * height;
    const label = `${formatBytes(rate)}/s after ${formatDuration(bar * step)}`;
    return `<rect x="${(bar * width) / bars}" y="${(height - tall).toFixed(1)}" width="${width / bars - 1}" height="${tall.toFixed(1)}"><title>${text(label)}</title></rect>`;
  });
  return `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="throughput over time">${drawn.join('')}</svg>
<p class="axis"><span>${time(from)}</span><span>at most ${text(formatBytes(most))}/s</span><span>${text(formatDuration(span))} later</span></p>`;
}

function failures(vms: readonly VmOutcome[]): string {
  const failed = vms.filter(({ code }) => code !== undefined);
  if (failed.length === 0) return '<p>None.</p>';
  const rows = failed.map(
    ({ vm, status, code, found, remedy }) =>
      `<tr><td>${text(vm)}</td><td class="${status === 'parked' ? 'parked' : 'failed'}">${text(status)}</td><td><code>${text(code ?? '')}</code></td><td>${text(found ?? '')}</td><td>${text(remedy ?? '')}</td></tr>`,
  );
  return table(['VM', 'State', 'Code', 'Found', 'What to do'], rows);
}

function waves({ waves: all }: BatchView): string {
  const rows = all.map(({ name, counts }) => {
    const { waiting, running, parked, completed, failed, skipped } = counts;
    const cells = [waiting, running, parked, completed, failed, skipped].map((count) => `<td>${count}</td>`);
    return `<tr><td>${text(name)}</td>${cells.join('')}</tr>`;
  });
  return table(['Wave', 'Waiting', 'Running', 'Parked', 'Completed', 'Failed', 'Left out'], rows);
}

function timeline(vms: readonly VmOutcome[], from: string, until: string): string {
  const rows = vms.map((vm) => {
    const took = isTimed(vm) ? formatDuration(secondsBetween(vm.startedAt, vm.endedAt)) : '';
    const data = vm.dataBytes === undefined ? '' : formatBytes(vm.dataBytes);
    return `<tr><td>${text(vm.vm)}</td><td class="${classOf(vm)}">${text(vm.status)}</td><td>${text(vm.hostId ?? '')}</td><td>${took}</td><td>${data}</td><td class="line">${bar(vm, from, until)}</td></tr>`;
  });
  return table(['VM', 'State', 'Host', 'Took', 'Data', 'When'], rows);
}

/** Of one that has not ended up to now. */
function bar(vm: VmOutcome, from: string, until: string): string {
  if (vm.startedAt === undefined) return '';
  const span = Math.max(1, secondsBetween(from, until));
  const left = (secondsBetween(from, vm.startedAt) / span) * 100;
  const wide = Math.max(0.3, (secondsBetween(vm.startedAt, vm.endedAt ?? until) / span) * 100);
  return `<i class="${classOf(vm)}" style="left:${left.toFixed(2)}%;width:${wide.toFixed(2)}%"></i>`;
}

function classOf({ status }: VmOutcome): string {
  if (status === 'completed' || status === 'parked' || status === 'running') return status;
  return status === 'failed' || status === 'aborted' || status === 'cancelled' ? 'failed' : 'other';
}

const table = (heads: readonly string[], rows: readonly string[]): string =>
  `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`;

const time = (iso: string): string => `<time>${text(`${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`)}</time>`;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text of other people as text, whatever is in it. */
const text = (value: string): string => safe(value).replaceAll(/[&<>"']/g, (char) => entities[char] ?? '');

const style = `
:root{--ink:#1d2329;--dim:#5d6874;--line:#dde2e7;--good:#1a7f4b;--bad:#b3261e;--wait:#9a6700;--run:#0b63b0;color-scheme:light}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:1100px;margin:2rem auto;padding:0 1.25rem}
h1{font-size:1.7rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}
.lead,.axis,small,.tile span{color:var(--dim)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:.8rem;margin-top:1.2rem}
.tile{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;display:flex;flex-direction:column}
.tile b{font-size:1.35rem}
.chart{width:100%;height:120px;background:#f6f8fa;border-radius:6px}.chart rect{fill:var(--run)}
.axis{display:flex;justify-content:space-between;font-size:.85rem;margin:.2rem 0 0}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th{text-align:left;color:var(--dim);font-weight:600}
td,th{padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.line{position:relative;min-width:220px}
td.line i{position:absolute;top:.55rem;height:.7rem;border-radius:3px;background:var(--dim)}
.completed{color:var(--good)}.failed,.stopped,.cancelled{color:var(--bad)}.parked{color:var(--wait)}.running{color:var(--run)}
i.completed{background:var(--good)!important}i.failed{background:var(--bad)!important}i.running{background:var(--run)!important}i.parked{background:var(--wait)!important}
code{font-size:.85em}
`;
