import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, secondsBetween } from '../../../contracts/units.ts';

describe('quantities for people', () => {
  it('bytes are in IEC units with three figures at most', () => {
    expect([0, 1023, 1536, 150 * 2 ** 20, 2 ** 40, 1_048_575].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '150 MiB',
      '1 TiB',
      '1 MiB',
    ]);
  });

  it('durations have two parts at most', () => {
    expect([0.04, 3.25, 59.6, 200, 7500, 180_000].map(formatDuration)).toEqual([
      '0 s',
      '3.3 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '2 d 2 h',
    ]);
  });

  it('a clock that went backwards took no time', () => {
    expect(secondsBetween('2026-01-01T00:00:05Z', '2026-01-01T00:00:00Z')).toBe(0);
  });
});
