import type { FixOutcome, GuestFacts } from '../../contracts/values.ts';

const maxWarnings = 50;
const maxChanges = 200;
const maxChars = 300;
/** A diff of a file is worth more than a line, and not a page. */
const maxDiffChars = 2000;

/**
 * What is said of a guest is as long as the guest's files make it, and travels through workflow history, which
 * takes 2 MB a step. People read the first lines.
 */
export function boundedFacts(facts: GuestFacts): GuestFacts {
  return { ...facts, warnings: boundedWarnings(facts.warnings) };
}

/** The same for what fixes say. */
export function boundedOutcomes(outcomes: readonly FixOutcome[]): FixOutcome[] {
  return outcomes.map((outcome) => {
    const { changes, warnings } = outcome;
    const unsaid = changes.length - maxChanges;
    const more = unsaid > 0 ? [`${unsaid} more changes are not listed here.`] : [];
    return {
      ...outcome,
      warnings: [...boundedWarnings(warnings), ...more],
      changes: changes.slice(0, maxChanges).map((change) => ({
        path: cut(change.path, maxChars),
        what: cut(change.what, maxChars),
        ...(change.before === undefined ? {} : { before: cut(change.before, maxDiffChars) }),
        ...(change.after === undefined ? {} : { after: cut(change.after, maxDiffChars) }),
      })),
    };
  });
}

function boundedWarnings(warnings: readonly string[]): string[] {
  const different = [...new Set(warnings)];
  const shown = different.slice(0, maxWarnings).map((warning) => cut(warning, maxChars));
  const unsaid = different.length - maxWarnings;
  return unsaid > 0 ? [...shown, `And ${unsaid} more warnings like these.`] : shown;
}

function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
}
