import { describe, expect, it } from 'vitest';
import { isOpen, msToEdge } from '../../../contracts/time-window.ts';

const night = { from: '20:00', to: '06:00', timeZone: 'Europe/Berlin' };
const minutes = 60_000;

describe('a window of every day', () => {
  it.each([
    ['2026-01-15T18:59:59Z', false],
    ['2026-01-15T19:00:00Z', true],
    ['2026-01-15T23:30:00Z', true],
    ['2026-01-16T04:59:59Z', true],
    ['2026-01-16T05:00:00Z', false],
    // In summer clocks in Berlin are two hours ahead.
    ['2026-07-15T18:00:00Z', true],
    ['2026-07-15T17:59:00Z', false],
  ])('over midnight is at %s open: %s', (at, open) => {
    expect(isOpen(night, new Date(at))).toBe(open);
  });

  it('may lie within the day, or be all of it', () => {
    const noon = { from: '11:00', to: '13:30', timeZone: 'UTC' };
    expect(isOpen(noon, new Date('2026-01-15T13:29:00Z'))).toBe(true);
    expect(isOpen(noon, new Date('2026-01-15T13:30:00Z'))).toBe(false);
    expect(isOpen({ ...noon, to: '11:00' }, new Date('2026-01-15T03:00:00Z'))).toBe(true);
  });

  it('says when it opens or closes next', () => {
    expect(msToEdge(night, new Date('2026-01-15T18:00:00Z'))).toBe(60 * minutes);
    expect(msToEdge(night, new Date('2026-01-15T19:00:00Z'))).toBe(10 * 60 * minutes);
    expect(msToEdge(night, new Date('2026-01-15T18:59:30Z'))).toBe(minutes / 2);
  });
});
