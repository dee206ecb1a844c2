import { describe, expect, it } from 'vitest';
import { slowest, tally } from '../../support/tally.ts';

describe('the closing line of a test run', () => {
  it('counts what passed and what failed', () => {
    const run = { outcomes: ['passed', 'failed', 'passed'] as const, errors: 0, filtered: false };
    expect(tally(run)).toEqual({ line: '2 passed, 1 failed', ok: false });
  });

  it('is good when everything passed', () => {
    const run = { outcomes: ['passed', 'passed'] as const, errors: 0, filtered: false };
    expect(tally(run)).toEqual({ line: '2 passed, 0 failed', ok: true });
  });

  it('counts a file that does not load as failed', () => {
    const run = { outcomes: ['passed'] as const, errors: 1, filtered: false };
    expect(tally(run)).toEqual({ line: '1 passed, 1 failed', ok: false });
  });

  it('counts skipped tests, and tests that never ran, as failed', () => {
    const run = { outcomes: ['passed', 'skipped', 'pending'] as const, errors: 0, filtered: false };
    expect(tally(run)).toEqual({ line: '1 passed, 2 failed', ok: false });
  });

  it('lets tests be left out when only some were asked for by name', () => {
    const run = { outcomes: ['passed', 'skipped'] as const, errors: 0, filtered: true };
    expect(tally(run)).toEqual({ line: '1 passed, 0 failed', ok: true });
  });

  it('fails a run without a single test', () => {
    expect(tally({ outcomes: [], errors: 0, filtered: false })).toEqual({
      line: '0 passed, 1 failed',
      ok: false,
    });
  });
});

it('the slowest files are named in their order, the quick ones only counted', () => {
  const times = [
    { file: 'a.test.ts', seconds: 12 },
    { file: 'b.test.ts', seconds: 3 },
    { file: 'c.test.ts', seconds: 101 },
  ];
  expect(slowest(times).split('\n')).toEqual([
    'The slowest files, of 116 s in all files:',
    '   101 s  c.test.ts',
    '    12 s  a.test.ts',
  ]);
  expect(slowest([{ file: 'b.test.ts', seconds: 3 }])).toBe('');
});
