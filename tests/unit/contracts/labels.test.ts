import { describe, expect, it } from 'vitest';
import { labelPattern, lacking, namedLabels } from '../../../contracts/labels.ts';

describe('labels', () => {
  it.each(['ssd', 'zone=a', 'rack.1=B-12', 'a'])('may be like %s', (label) => {
    expect(label).toMatch(labelPattern);
  });

  it.each(['', 'SSD', '=a', 'zone=', 'zone=a b', 'zone=a=b', '-a', 'a/b', `a${'b'.repeat(40)}`, 'a\n'])(
    'may not be like %j',
    (label) => {
      expect(label).not.toMatch(labelPattern);
    },
  );

  it('have all to be there', () => {
    expect(lacking(['ssd', 'zone=a'], ['zone=a'])).toEqual(['ssd']);
    expect(lacking([], [])).toEqual([]);
    expect(namedLabels(['ssd'])).toBe('the label ssd');
    expect(namedLabels(['ssd', 'zone=a', 'x'])).toBe('the labels ssd, zone=a and x');
  });
});
