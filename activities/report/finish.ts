import { rm } from 'node:fs/promises';
import { renderReportMarkdown } from '../../contracts/report-markdown.ts';
import type { MigrationReport, StepContext } from '../../contracts/steps.ts';
import type { Host } from '../host/host.ts';
import { readIfThere } from '../host/read-if-there.ts';
import { replaceFile } from '../host/replace-file.ts';
import { WorkDir } from '../host/work-dir.ts';
import { discardFetched } from '../transfer/fetched-disk.ts';
import { publishedDisks, publishedPath, removePublished } from '../image/publish.ts';

/** What `discardWork` answered, until it stands in the report. */
const answerName = 'kept-disks.json';

/** Keeps the report on the host as JSON and Markdown, and removes work files. Idempotent. */
export async function finish(
  ctx: StepContext,
  report: MigrationReport,
  { host }: { host: Pick<Host, 'stateDir'> },
): Promise<{ reportPath: string }> {
  const work = new WorkDir(host.stateDir, ctx.run);
  await work.create();
  const kept = withThisStepDone(report);
  await replaceFile(work.kept('report.json'), `${JSON.stringify(kept, null, 2)}\n`);
  const reportPath = work.kept('report.md');
  await replaceFile(reportPath, renderReportMarkdown(kept));
  await rm(work.kept(answerName), { force: true });
  if (report.status === 'completed') await discardFetched(work, { keepWhole: false });
  await work.discard();
  return { reportPath };
}

/** Whoever reads the report reads it after this step, which the workflow still saw running. */
function withThisStepDone(report: MigrationReport): MigrationReport {
  const endedAt = new Date().toISOString();
  const steps = report.steps.map(({ name, state }) =>
    name === 'report' && state.status === 'running'
      ? { name, state: { ...state, status: 'done' as const, endedAt } }
      : { name, state },
  );
  return { ...report, steps };
}

/**
 * Removes overlays, partial files and everything else a run made on the way; finished disks too when
 * `purgeDisks`. Idempotent, and so is the answer: a worker may be killed before it has given it.
 *
 * @returns the finished disks that were kept.
 */
export async function discardWork(
  ctx: StepContext,
  { purgeDisks }: { purgeDisks: boolean },
  { host }: { host: Pick<Host, 'stateDir'> },
): Promise<{ kept: string[] }> {
  const work = new WorkDir(host.stateDir, ctx.run);
  const kept: string[] = [];
  for (const index of await publishedDisks(work)) {
    const path = purgeDisks ? await removePublished(work, index) : await publishedPath(work, index);
    if (path !== undefined && !purgeDisks) kept.push(path);
  }
  kept.push(...(await discardFetched(work, { keepWhole: !purgeDisks })));
  if (kept.length > 0) await replaceFile(work.kept(answerName), JSON.stringify(kept));
  await work.discard();
  // What is published is known from the work files, which are gone when this comes again.
  return { kept: kept.length > 0 || purgeDisks ? kept : await earlierAnswer(work) };
}

async function earlierAnswer(work: WorkDir): Promise<string[]> {
  const text = await readIfThere(work.kept(answerName));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}
