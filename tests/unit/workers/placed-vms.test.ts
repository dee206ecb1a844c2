import { describe, expect, it } from 'vitest';
import { PlacedVms } from '../../../workers/placed-vms.ts';

const hour = 3_600_000;
const run = (name: string) => ({ migrationId: name, runId: 'r' });

function placedVms() {
  const clock = { ms: 0 };
  return { placed: new PlacedVms(() => clock.ms), clock };
}

describe('VMs that were placed on a host', () => {
  it('have a slot until they begin, and room until their disks are there', () => {
    const { placed } = placedVms();
    placed.place(run('a'), 1, 100);
    placed.place(run('b'), 2, 10);
    expect(placed.waiting).toBe(2);
    expect(placed.promised(1)).toEqual({ bytes: 100, vms: 1 });
    expect(placed.promised()).toEqual({ bytes: 110, vms: 2 });
    placed.noteStep(run('a'), 'preflight');
    expect(placed.waiting).toBe(2);
    placed.noteStep(run('a'), 'acquire');
    expect(placed.waiting).toBe(1);
    placed.noteStep(run('a'), 'convert');
    expect(placed.promised(1).bytes).toBe(100);
    placed.noteStep(run('a'), 'define');
    expect(placed.promised(1)).toEqual({ bytes: 0, vms: 0 });
  });

  it('count once, however often placement is tried', () => {
    const { placed } = placedVms();
    placed.place(run('a'), 1, 100);
    placed.place(run('a'), 1, 100);
    expect(placed.promised()).toEqual({ bytes: 100, vms: 1 });
  });

  it('give their slot back when they do not begin, and their room when nothing is heard of them for a day', () => {
    const { placed, clock } = placedVms();
    placed.place(run('parked'), 1, 100);
    clock.ms = 3 * 60_000;
    expect(placed.waiting).toBe(0);
    expect(placed.promised().bytes).toBe(100);
    clock.ms = 20 * hour;
    placed.noteStep(run('parked'), 'acquire');
    clock.ms = 40 * hour;
    expect(placed.promised().bytes).toBe(100);
    clock.ms = 45 * hour;
    expect(placed.promised().bytes).toBe(0);
  });
});
