import { setTimeout as sleep } from 'node:timers/promises';
import { LonghaulError } from '../contracts/errors.ts';
import { exitOfView, type ExitName } from './exit-codes.ts';
import type { LiveView } from './live-view.ts';
import type { LonghaulClient } from './longhaul-client.ts';
import { outcomeText } from './output/outcome-text.ts';
import { isOpen, viewLine, viewText } from './output/view-text.ts';
import type { Terminal } from './terminal.ts';

const redrawMs = 1_000;
/** Without a terminal: how often a line is written while nothing but bytes change. */
const lineEveryMs = 15_000;
/** A server that is restarted comes back within this; longer than that is an error. */
const patienceMs = 5 * 60_000;

export interface FollowOptions {
  /** Says nothing on the way; the caller prints the outcome. */
  quiet: boolean;
}

export interface Followed {
  exit: ExitName;
  /** Absent when the first look was never answered. */
  view?: LiveView;
}

/**
 * Shows a migration until it ends or parks. Ctrl-C detaches and leaves the migration alone. A server or
 * worker that is away for a while is waited for.
 */
export async function follow(
  client: LonghaulClient,
  migrationId: string,
  terminal: Terminal,
  options: FollowOptions,
): Promise<Followed> {
  const detach = new AbortController();
  const onInterrupt = () => detach.abort();
  process.once('SIGINT', onInterrupt);
  const display = await displayFor(terminal, options.quiet);
  try {
    return await followUntilDone(client, migrationId, display, detach.signal);
  } finally {
    process.removeListener('SIGINT', onInterrupt);
    display.end();
    if (detach.signal.aborted)
      terminal.note(
        `Detached; the migration goes on. Come back with: longhaul status ${migrationId} --watch`,
      );
  }
}

async function followUntilDone(
  client: LonghaulClient,
  migrationId: string,
  display: Display,
  detached: AbortSignal,
): Promise<Followed> {
  let view: LiveView | undefined;
  let lastSeenMs = Date.now();
  for (;;) {
    if (detached.aborted) return { exit: 'detached', ...(view === undefined ? {} : { view }) };
    try {
      view = await client.view(migrationId);
      lastSeenMs = Date.now();
      display.show(view);
      if (!isOpen(view.status) || view.status === 'parked') return { exit: exitOfView(view), view };
    } catch (error) {
      const away = error instanceof LonghaulError && error.code === 'TEMPORAL_UNREACHABLE';
      if (!away || Date.now() - lastSeenMs > patienceMs) throw error;
      display.say('The Temporal server does not answer; waiting for it.');
    }
    await sleep(redrawMs, undefined, { signal: detached }).catch(() => undefined);
  }
}

interface Display {
  show(view: LiveView): void;
  say(text: string): void;
  end(): void;
}

async function displayFor(terminal: Terminal, quiet: boolean): Promise<Display> {
  if (quiet) return { show: () => undefined, say: () => undefined, end: () => undefined };
  return terminal.interactive ? screenDisplay(terminal) : lineDisplay(terminal);
}

async function screenDisplay(terminal: Terminal): Promise<Display> {
  const { createLogUpdate } = await import('log-update');
  const update = createLogUpdate(process.stdout);
  let shown = '';
  return {
    show: (view) => {
      shown = viewText(view, { paint: terminal.paint, columns: terminal.columns(), nowMs: Date.now() });
      update(shown);
    },
    say: (text) => update(`${shown}\n\n${terminal.paint.yellow(text)}`),
    end: () => update.done(),
  };
}

/** The lines that close a migration which was followed to a good end. */
export async function printOutcome(
  client: LonghaulClient,
  view: LiveView | undefined,
  terminal: Terminal,
): Promise<void> {
  if (view?.status !== 'completed') return;
  terminal.print(`\n${outcomeText(await client.report(view.migrationId), terminal.paint)}`);
}

/** A line whenever something other than bytes changed, and now and then in between. */
function lineDisplay(terminal: Terminal): Display {
  let lastKey = '';
  let lastMs = 0;
  const say = (key: string, line: string) => {
    if (key === lastKey && Date.now() - lastMs < lineEveryMs) return;
    lastKey = key;
    lastMs = Date.now();
    terminal.print(`${new Date().toISOString().slice(11, 19)}  ${line}`);
  };
  return {
    show: (view) => say(keyOf(view), viewLine(view)),
    say: (text) => say(text, text),
    end: () => undefined,
  };
}

function keyOf(view: LiveView): string {
  const steps = view.steps.map(({ state }) => state.status).join();
  const waits = view.waitsForHost !== undefined;
  const attempts = view.retries.map(({ attempt }) => attempt);
  return [view.status, view.pausing, waits, steps, view.answeredBy, attempts].join('|');
}
