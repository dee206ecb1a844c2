import { describe, expect, it } from 'vitest';
import { differences, explain, unreported } from '../../differential/judge.ts';

const listing = (entries: Record<string, string>) => new Map(Object.entries(entries));
const before = listing({ '/a': 'f 1', '/b': 'f 1', '/c': 'f 1', '/d': 'd 755 0:0' });

describe('comparing what two conversions left in a guest', () => {
  it('says whose change a difference is, and nothing of what both changed alike', () => {
    const v2v = listing({ '/a': 'f 2', '/b': 'f 2', '/c': 'f 2', '/d': 'd 755 0:0', '/new': 'l' });
    const ours = listing({ '/a': 'f 2', '/b': 'f 1', '/c': 'f 3', '/e': 'f 1' });
    expect(differences(before, v2v, ours).map(({ path, by }) => [path, by])).toEqual([
      ['/b', 'virt-v2v'],
      ['/c', 'both'],
      ['/d', 'ours'],
      ['/e', 'ours'],
      ['/new', 'virt-v2v'],
    ]);
  });

  it('takes an explanation for the whole path and for that side only', () => {
    const [found] = differences(listing({}), listing({ '/etc/x.bak': 'f' }), listing({}));
    const fits = { path: /\/etc\/.*\.bak/, by: 'virt-v2v', reason: 'a backup' } as const;
    const explained = (explanation: Parameters<typeof explain>[1][number]) =>
      found === undefined ? undefined : explain([found], [explanation]).unexplained.length === 0;
    expect(explained(fits)).toBe(true);
    expect(explained({ ...fits, by: 'ours' })).toBe(false);
    expect(explained({ ...fits, path: /\/etc\/x/ })).toBe(false);
  });

  it('names what we changed without reporting it, but not the folders of new files', () => {
    const ours = listing({
      '/a': 'f 2',
      '/b': 'f 2',
      '/c': 'f 1',
      '/d': 'd 700 0:0',
      '/f': 'd 755 0:0',
      '/f/g': 'f',
    });
    expect(unreported(before, ours, ['/a', '/f/g'])).toEqual(['/b', '/d']);
  });
});
