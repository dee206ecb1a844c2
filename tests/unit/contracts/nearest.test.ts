import { describe, expect, it } from 'vitest';
import { nearest } from '../../../contracts/nearest.ts';

describe('the nearest known word', () => {
  const words = ['format', 'firmware', 'directory', 'pool'];
  it.each([
    ['formt', 'format'],
    ['FORMAT', 'format'],
    ['dir', 'directory'],
    ['firmwear', 'firmware'],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, words)).toBe(expected);
  });

  it('is none when nothing is close', () => {
    expect(nearest('bananas', words)).toBeUndefined();
    expect(nearest('xy', ['ab'])).toBeUndefined();
  });
});
