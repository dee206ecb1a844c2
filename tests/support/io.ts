import type { Log, StepIo } from '../../activities/host/step-io.ts';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** What a step gets to talk to in a test: never cancelled unless a signal is given. */
export function testIo(signal: AbortSignal = new AbortController().signal): StepIo {
  return { signal, report: () => undefined, log: silentLog };
}
