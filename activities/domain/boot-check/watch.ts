import { setTimeout as sleep } from 'node:timers/promises';
import { pause } from '../../host/pause.ts';
import type { Virsh } from '../../host/libvirt.ts';
import type { StepIo } from '../../host/step-io.ts';
import { agentAnswers } from './agent.ts';
import type { ConsoleReader } from './console-reader.ts';
import type { Ending } from './failure.ts';

const pollMs = 250;
const askLibvirtEveryMs = 2_000;
const askAgentEveryMs = 6_000;
const shownLength = 80;

export interface WatchOptions {
  virsh: Virsh;
  uuid: string;
  reader: ConsoleReader;
  limitSeconds: number;
  io: StepIo;
}

/** Watches a clone until it shows a sign of life, gives up, ends, or its time is over. */
export async function watchBoot({ virsh, uuid, reader, limitSeconds, io }: WatchOptions): Promise<Ending> {
  const started = performance.now();
  const elapsed = () => Math.round((performance.now() - started) / 100) / 10;
  const libvirtDue = every(askLibvirtEveryMs);
  const agentDue = every(askAgentEveryMs);
  for (;;) {
    const { verdict } = reader;
    if (verdict) return { ...verdict, seconds: elapsed() };
    if (libvirtDue()) {
      const state = (await virsh.state(uuid)) ?? 'gone';
      // What it said last may explain it, and may still be on its way.
      if (!/^(running|idle|paused)/.test(state)) return await lastWords(reader, state, elapsed);
      if (state.startsWith('paused')) return { kind: 'paused', state, seconds: elapsed() };
      io.report(progress(reader, elapsed(), limitSeconds));
    }
    if (agentDue() && (await agentAnswers(virsh, uuid))) {
      return { kind: 'alive', sign: 'guest-agent', evidence: 'guest-ping was answered', seconds: elapsed() };
    }
    if (elapsed() >= limitSeconds) return { kind: 'silent', seconds: elapsed() };
    await pause(pollMs, io.signal);
  }
}

async function lastWords(reader: ConsoleReader, state: string, elapsed: () => number): Promise<Ending> {
  await sleep(pollMs);
  reader.settle();
  const { verdict } = reader;
  return verdict?.kind === 'dead'
    ? { ...verdict, seconds: elapsed() }
    : { kind: 'ended', state, seconds: elapsed() };
}

function progress(reader: ConsoleReader, seconds: number, limitSeconds: number): string {
  const last = reader.tail(1)[0]?.slice(0, shownLength) ?? 'nothing on the console yet';
  return `booting, ${Math.round(seconds)} of at most ${limitSeconds} s: ${last}`;
}

/** True at most once in each interval, the first time after one. */
function every(intervalMs: number): () => boolean {
  let due = performance.now() + intervalMs;
  return () => {
    if (performance.now() < due) return false;
    due = performance.now() + intervalMs;
    return true;
  };
}
