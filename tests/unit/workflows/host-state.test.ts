import { describe, expect, it } from 'vitest';
import { standingOf, type HostFacts } from '../../../contracts/hosts.ts';
import { hostDetails } from '../../../workflows/host/host-details.ts';
import { HostState } from '../../../workflows/host/host-state.ts';

const facts: HostFacts = {
  labels: ['ssd'],
  slots: 4,
  version: '0.1.0',
  targetDirectory: '/vms',
  stateDirectory: '/state',
  libvirtUri: 'qemu:///system',
  memoryBytes: 2 ** 34,
};

describe('a host in the book', () => {
  it('is there from its greeting on, and heeds what it was told', () => {
    const state = new HostState();
    expect(state.isSettled).toBe(false);
    expect(state.noteGreeted(facts, false, '10:00')).toBe(false);
    expect(state.isSettled).toBe(true);
    expect(standingOf(state.book)).toBe('ready');
    expect(state.setDrained(true)).toBe(true);
    expect(state.setDrained(true)).toBe(false);
    expect(state.isSettled).toBe(false);
    state.noteGreeted(facts, true, '10:01');
    expect(state.isSettled).toBe(true);
    expect(state.book).toEqual({ drained: true, facts, here: '10:00' });
  });

  it('is gone once, and back once', () => {
    const state = new HostState();
    state.noteGreeted(facts, false, '10:00');
    state.noteUnsure();
    expect(state.noteGone('2026-01-01T11:00:00.000Z')).toBe(true);
    expect(state.noteGone('11:30')).toBe(false);
    expect(standingOf(state.book)).toBe('gone');
    expect(hostDetails('kvm1', state.book)).toContain('**kvm1**: gone since 2026-01-01 11:00 UTC');
    expect(state.noteGreeted(facts, false, '12:00')).toBe(true);
    expect(state.book).toEqual({ drained: false, facts, here: '12:00' });
  });

  it('that was never gone for long is there as before', () => {
    const state = new HostState();
    state.noteGreeted(facts, false, '10:00');
    state.noteUnsure();
    expect(state.noteGreeted({ ...facts, slots: 8 }, false, '10:01')).toBe(false);
    expect(state.book).toMatchObject({ here: '10:00', facts: { slots: 8 } });
  });

  it('says in the Temporal UI what an operator can do', () => {
    const state = new HostState({ drained: true, facts, here: '10:00' });
    const details = hostDetails('kvm1', state.book);
    expect(details).toContain('**kvm1**: drained');
    expect(details).toContain('`longhaul host undrain kvm1`');
    expect(details).toMatch(/\| Labels\s+\| ssd\s+\|/);
  });
});
