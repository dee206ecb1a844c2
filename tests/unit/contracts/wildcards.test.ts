import { describe, expect, it } from 'vitest';
import { fits } from '../../../contracts/wildcards.ts';

describe('a pattern', () => {
  it.each([
    ['web*', 'WEB01', true],
    ['*01', 'web01', true],
    ['w*b*1', 'web01', true],
    ['web', 'web01', false],
    ['web?1', 'web01', true],
    ['web?', 'web01', false],
    ['web.1', 'web01', false],
    ['a(b)[c]+', 'a(b)[c]+', true],
    ['*', '', true],
  ])('%s against %s: %s', (pattern, text, fit) => {
    expect(fits(pattern, text, { anyOne: true })).toBe(fit);
  });

  it('of many stars takes no time', () => {
    const startedMs = performance.now();
    expect(fits('*a'.repeat(30), `${'a'.repeat(64)}b`)).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});
