import type { FixChange, FixOutcome } from '../../../contracts/values.ts';
import { LonghaulError, messageOf } from '../../../contracts/errors.ts';
import type { EarlierChange, Fix, FixContext, FixPlan } from './fix.ts';

/**
 * Runs fixes in order, each planned on what the ones before it left behind. With `plan` nothing is written
 * and the outcomes say what would change.
 *
 * @throws LonghaulError GUEST_FIX_FAILED for a critical fix that failed, or the fix's own code; the session's
 *   errors (APPLIANCE_FAILED, TOOL_TIMEOUT) whatever the fix, because nothing after them could work. Any
 *   other failure becomes a warning of its outcome.
 */
export async function runFixes(
  fixes: readonly Fix[],
  context: Omit<FixContext, 'earlier'>,
  mode: 'plan' | 'apply',
): Promise<FixOutcome[]> {
  const outcomes: FixOutcome[] = [];
  const earlier: EarlierChange[] = [];
  for (const fix of fixes) {
    if (!fix.applies(context.facts)) continue;
    context.report(fix.title);
    const { outcome, made } = await runFix(fix, { ...context, earlier: [...earlier] }, mode);
    outcomes.push(outcome);
    earlier.push(...made);
  }
  return outcomes;
}

async function runFix(
  fix: Fix,
  context: FixContext,
  mode: 'plan' | 'apply',
): Promise<{ outcome: FixOutcome; made: EarlierChange[] }> {
  const started = performance.now();
  const changes: FixChange[] = [];
  const made: EarlierChange[] = [];
  const warnings: string[] = [];
  let addresses: FixPlan['addresses'];
  try {
    const plan = await fix.plan(context);
    warnings.push(...plan.warnings);
    ({ addresses } = plan);
    for (const change of plan.changes) {
      const at = Date.now();
      if (mode === 'apply') await change.apply(context.guest);
      const { path, what, before, after } = change;
      const said = {
        path,
        what,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
      };
      changes.push(said);
      made.push(change.runsPrograms === undefined ? said : { ...said, ranProgramsAt: at });
    }
  } catch (error) {
    if (fix.critical || isSessionGone(error)) throw asFixError(fix, error);
    warnings.push(`This fix was left unfinished: ${messageOf(error)}`);
    context.log.warn({ fix: fix.id, error: messageOf(error) }, 'a fix failed');
  }
  const outcome = {
    fix: fix.id,
    title: fix.title,
    changes,
    warnings,
    seconds: Math.round(performance.now() - started) / 1000,
    ...(addresses === undefined ? {} : { addresses }),
  };
  return { outcome, made };
}

function isSessionGone(error: unknown): boolean {
  return (
    !(error instanceof LonghaulError) || error.code === 'APPLIANCE_FAILED' || error.code === 'TOOL_TIMEOUT'
  );
}

function asFixError(fix: Fix, error: unknown): unknown {
  if (!(error instanceof LonghaulError) || error.code !== 'GUESTFS_FAILED') return error;
  return new LonghaulError(
    'GUEST_FIX_FAILED',
    {
      found: `${fix.id} failed: ${error.found}`,
      remedy: 'Mend in the source VM what the message names, or set guest.fix to false, and retry.',
    },
    error,
  );
}
