import { describe, expect, it } from 'vitest';
import type { GateEntry } from '../../../contracts/gates.ts';
import { GateState } from '../../../workflows/gate/gate-state.ts';

const key = 'https://files.example.com';
const entry = (name: string, weight = 1, turn = 1): GateEntry => ({
  migrationId: name,
  runId: `run of ${name}`,
  turn,
  weight,
});

function gateWith(limit: number) {
  const state = new GateState({ key, book: { limit, holders: [], lines: [] } });
  const enter = (name: string, { weight = 1, turn = 1, line = name } = {}) =>
    state.noteCall({ enter: entry(name, weight, turn), line });
  return {
    state,
    enter,
    leave: (name: string, turn = 1) => state.noteCall({ leave: entry(name, 1, turn) }),
    /** Who is let in now. */
    granted: () =>
      state
        .turn()
        .filter(({ word }) => word.granted)
        .map((each) => each.entry.migrationId),
    holders: () => state.book.holders.map(({ migrationId }) => migrationId),
  };
}

describe('a gate', () => {
  it('lets in as many as its limit, and the next when one leaves', () => {
    const gate = gateWith(2);
    for (const name of ['a', 'b', 'c', 'd']) gate.enter(name);
    expect(gate.granted()).toEqual(['a', 'b']);
    gate.leave('a');
    expect(gate.granted()).toEqual(['c']);
    expect(gate.holders()).toEqual(['b', 'c']);
  });

  it('lets batches and single migrations in by turns, and within a batch the first to come', () => {
    const gate = gateWith(1);
    for (const name of ['a1', 'a2', 'a3']) gate.enter(name, { line: 'batch-a' });
    for (const name of ['b1', 'b2']) gate.enter(name, { line: 'batch-b' });
    gate.enter('single');
    const order: string[] = [];
    for (let one = gate.granted(); one.length > 0; one = gate.granted()) {
      order.push(...one);
      gate.leave(one[0] ?? '');
    }
    expect(order).toEqual(['a1', 'b1', 'single', 'a2', 'b2', 'a3']);
  });

  it('tells everybody how many go before, as it then is', () => {
    const gate = gateWith(1);
    for (const name of ['a1', 'a2', 'a3']) gate.enter(name, { line: 'batch-a' });
    gate.enter('b1', { line: 'batch-b' });
    gate.enter('single');
    const words = gate.state.turn().map(({ entry: { migrationId }, word }) => [migrationId, word.before]);
    expect(words).toEqual([
      ['a1', 0],
      ['a2', 2],
      ['a3', 3],
      ['b1', 0],
      ['single', 1],
    ]);
  });

  it('counts weights, and never lets a light one pass a heavy one whose turn it is', () => {
    const gate = gateWith(4);
    gate.enter('a', { weight: 3 });
    gate.enter('heavy', { weight: 2 });
    gate.enter('light');
    expect(gate.granted()).toEqual(['a']);
    gate.leave('a');
    expect(gate.granted()).toEqual(['heavy', 'light']);
  });

  it('lets in alone what is heavier than the limit', () => {
    const gate = gateWith(2);
    gate.enter('a');
    gate.enter('huge', { weight: 9 });
    gate.enter('b');
    expect(gate.granted()).toEqual(['a']);
    gate.leave('a');
    expect(gate.granted()).toEqual(['huge']);
    gate.leave('huge');
    expect(gate.granted()).toEqual(['b']);
  });

  it('lets nobody in when its limit is 0, and takes nothing away when it is lowered', () => {
    const gate = gateWith(2);
    gate.enter('a');
    gate.enter('b');
    gate.granted();
    gate.state.book.limit = 0;
    gate.enter('c');
    expect(gate.granted()).toEqual([]);
    expect(gate.holders()).toEqual(['a', 'b']);
    gate.state.book.limit = 3;
    expect(gate.granted()).toEqual(['c']);
  });

  it('answers a call that comes twice, and counts it once', () => {
    const gate = gateWith(1);
    gate.enter('a');
    gate.enter('a');
    gate.enter('b');
    gate.enter('b');
    gate.granted();
    expect(gate.holders()).toEqual(['a']);
    gate.enter('a');
    expect(gate.granted()).toEqual(['a']);
    gate.leave('a');
    expect(gate.granted()).toEqual(['b']);
    gate.leave('b');
    expect(gate.granted()).toEqual([]);
  });

  it('takes a new try of a migration in place of its last, and does not heed a late word of that', () => {
    const gate = gateWith(1);
    gate.enter('a', { turn: 1 });
    gate.granted();
    gate.enter('a', { turn: 2 });
    expect(gate.granted()).toEqual(['a']);
    gate.leave('a', 1);
    expect(gate.holders()).toEqual(['a']);
    gate.leave('a', 2);
    expect(gate.holders()).toEqual([]);
  });

  it('takes back what runs had that have ended', () => {
    const gate = gateWith(1);
    gate.enter('a');
    gate.enter('b');
    gate.granted();
    gate.state.noteEnded(['run of a']);
    expect(gate.granted()).toEqual(['b']);
  });

  it('keeps what it knows within one message, and lets those wait outside who find no room', () => {
    const gate = gateWith(1);
    const names = Array.from({ length: 1000 }, (_one, index) => `migrate-azure-${'x'.repeat(64)}-${index}`);
    for (const name of names) gate.enter(name);
    expect(JSON.stringify(gate.state.book).length).toBeLessThan(60 * 1024);
    const words = gate.state.turn();
    const within = gate.state.book.lines.length;
    expect(within).toBeGreaterThan(100);
    expect(words).toHaveLength(names.length);
    expect(words.at(-1)?.word).toMatchObject({ granted: false, before: within });
  });

  it('may go when nobody is there and its limit is the default', () => {
    const state = new GateState({ key });
    expect(state.isIdle).toBe(true);
    state.noteCall({ enter: entry('a'), line: 'a' });
    expect(state.isIdle).toBe(false);
    state.turn();
    state.noteCall({ leave: entry('a') });
    expect(state.isIdle).toBe(true);
    state.book.limit += 1;
    expect(state.isIdle).toBe(false);
  });
});
