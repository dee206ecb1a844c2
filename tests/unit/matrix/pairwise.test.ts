import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dimensions, feasible, matrixGuests } from '../../matrix/guests.ts';
import { coveringArray, covers, feasiblePairs, type Parameters } from '../../matrix/pairwise.ts';

const always = () => true;

describe('a covering array', () => {
  it('has every pair of values in some row, whatever the parameters', () => {
    const values = fc.uniqueArray(fc.constantFrom('p', 'q', 'r', 's'), { minLength: 1 });
    const parameters = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), values, {
      minKeys: 2,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(parameters, (given: Parameters) => {
        const rows = coveringArray(given, always, 10);
        for (const pair of feasiblePairs(given, always))
          expect(rows.some((row) => covers(row, pair))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same each time, and no larger than it has to be where that is known', () => {
    const two = ['0', '1'];
    const given = { a: two, b: two, c: two };
    expect(coveringArray(given, always)).toEqual(coveringArray(given, always));
    expect(coveringArray(given, always)).toHaveLength(4);
  });

  it('has no row that the constraints forbid, also when only three values together are too many', () => {
    const two = ['0', '1'];
    const given = { a: two, b: two, c: two };
    const allowed = ({ a, b, c }: { a?: string; b?: string; c?: string }) =>
      !(a === '1' && b === '1' && c === '1');
    const rows = coveringArray(given, allowed);
    expect(rows.filter((row) => !allowed(row))).toEqual([]);
    for (const pair of feasiblePairs(given, allowed))
      expect(rows.some((row) => covers(row, pair))).toBe(true);
  });
});

describe('the matrix of guests', () => {
  it('boots every two values of its dimensions together, but systemd-boot on Debian 11', () => {
    const rows = matrixGuests.map((guest) => ({ ...guest, release: guest.release.toString() }));
    const names = Object.keys(dimensions);
    const pairs = feasiblePairs(dimensions, feasible);
    const all = names.flatMap((first, index) =>
      names.slice(index + 1).map((second) => sizeOf(first) * sizeOf(second)),
    );
    expect(pairs).toHaveLength(all.reduce((sum, count) => sum + count) - 1);
    for (const pair of pairs)
      expect(
        rows.some((row) => covers(row as unknown as Record<string, string>, pair)),
        JSON.stringify(pair),
      ).toBe(true);
  });

  it('is as small as it can be: five kinds of storage with four network managers', () => {
    expect(matrixGuests).toHaveLength(sizeOf('storage') * sizeOf('network'));
    expect(new Set(matrixGuests.map(({ name }) => name)).size).toBe(matrixGuests.length);
    expect(new Set(matrixGuests.map(({ address }) => address)).size).toBe(matrixGuests.length);
  });

  it('has guests with drivers of VMware alone for both initramfs tools, and UEFI guests with no fallback loader', () => {
    const bare = matrixGuests.filter(({ drivers }) => drivers === 'vmware').map(({ initramfs }) => initramfs);
    expect(new Set(bare)).toEqual(new Set(dimensions.initramfs));
    expect(matrixGuests.some(({ boot, fallbackLoader }) => boot === 'uefi' && !fallbackLoader)).toBe(true);
  });
});

const sizeOf = (name: string): number => dimensions[name as keyof typeof dimensions].length;
