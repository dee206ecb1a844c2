/** The outcome of one test or of a file that could not be loaded, as the tally counts it. */
type Outcome = 'passed' | 'failed' | 'skipped' | 'pending';

export interface Run {
  outcomes: readonly Outcome[];
  /** Errors outside of any test: a file that does not load, a rejection nobody handled. */
  errors: number;
  /** Whether only some of the tests were asked for, so that others are rightly left out. */
  filtered: boolean;
}

/**
 * The closing line of a run, `N passed, N failed`. What neither passed nor was left out on purpose has failed:
 * skipped tests, tests that never ran, errors outside of tests, and a run without a single test.
 */
export function tally(run: Run): { line: string; ok: boolean } {
  const count = (outcome: Outcome) => run.outcomes.filter((each) => each === outcome).length;
  const passed = count('passed');
  const left = run.filtered ? 0 : count('skipped') + count('pending');
  const failed = count('failed') + run.errors + left;
  const reported = passed + failed === 0 ? 1 : failed;
  return { line: `${passed} passed, ${reported} failed`, ok: reported === 0 };
}

interface FileTime {
  file: string;
  seconds: number;
}

/** Where the time of a run went: the files that took ten seconds or more, the slowest first; empty when none did. */
export function slowest(files: readonly FileTime[]): string {
  const long = files.filter(({ seconds }) => seconds >= 10).sort((a, b) => b.seconds - a.seconds);
  if (long.length === 0) return '';
  const sum = files.reduce((all, { seconds }) => all + seconds, 0);
  const lines = long.map(({ file, seconds }) => `${String(seconds).padStart(6)} s  ${file}`);
  return [`The slowest files, of ${sum} s in all files:`, ...lines].join('\n');
}
