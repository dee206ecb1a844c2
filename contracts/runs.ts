import type { RunRef } from './values.ts';

/**
 * A migration that was given to another host goes on as another run of itself: what the first host has of it is never
 * taken for what the second makes. Its id is that of the workflow's first run with a number behind it: `ID.2`.
 */

/** The run after this one. */
export function nextRun({ migrationId, runId }: RunRef): RunRef {
  const [first = '', number = '1'] = runId.split('.');
  return { migrationId, runId: `${first}.${Number(number) + 1}` };
}

/** Id of the workflow's first run, as the server knows it. */
export function firstRunIdOf(runId: string): string {
  return runId.split('.', 1)[0] ?? runId;
}

/** Short enough for the name of a file, and different for each run that a migration has. */
export function shortRunId(runId: string): string {
  const [first = '', number] = runId.split('.');
  // They begin with the time.
  return first.slice(-12) + (number === undefined ? '' : `.${number}`);
}

/** Id of the workflow that removes what a run has left on a host that it was taken from. */
export function leftoverIdOf({ migrationId, runId }: RunRef, hostId: string): string {
  return `${migrationId}-left-${hostId}-${shortRunId(runId)}`;
}
