import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesIn, chunksOf, type Extent, joined } from '../../../activities/transfer/extents.ts';

const KiB = 1024;
const MiB = KiB ** 2;

/** Extents one after the other, from the lengths of gaps and data in turn. */
function extentsOf(runs: readonly { gap: number; data: number }[]): Extent[] {
  let at = 0;
  return runs.map(({ gap, data }) => {
    const extent = { offset: at + gap, length: data };
    at += gap + data;
    return extent;
  });
}

describe('extents that lie close together', () => {
  it('are read with one request when the gap is short', () => {
    const extents = extentsOf([
      { gap: 0, data: MiB },
      { gap: 4 * KiB, data: MiB },
      { gap: 8 * MiB, data: MiB },
    ]);
    expect(joined(extents)).toEqual([
      { offset: 0, length: 2 * MiB + 4 * KiB },
      { offset: 10 * MiB + 4 * KiB, length: MiB },
    ]);
  });

  it('stay apart where the gaps would be much to read: the shortest ones are closed', () => {
    const extents = extentsOf([
      { gap: 0, data: MiB },
      { gap: 20 * KiB, data: MiB },
      { gap: 4 * KiB, data: MiB },
      { gap: 20 * KiB, data: MiB },
    ]);
    // A hundredth of the data are 41 KiB: room for the short gap, and for one of the two longer ones only.
    expect(joined(extents)).toHaveLength(3);
  });

  it('keep their order, all their bytes, and cost a hundredth more at most', () => {
    const run = fc.record({
      gap: fc.oneof(fc.integer({ min: 1, max: 64 * KiB }), fc.integer({ min: 1, max: 64 * MiB })),
      data: fc.integer({ min: 1, max: 16 * MiB }),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 200 }), (runs) => {
        const extents = extentsOf(runs);
        const result = joined(extents);
        expect(bytesIn(result)).toBeLessThanOrEqual(bytesIn(extents) * 1.01);
        for (const { offset, length } of extents)
          expect(
            result.some((each) => each.offset <= offset && offset + length <= each.offset + each.length),
          ).toBe(true);
        expect(() => chunksOf(result, 2 ** 50, 8 * MiB)).not.toThrow();
      }),
    );
  });

  it('are refused when they overlap, closed gaps or not', () => {
    const overlapping = [
      { offset: 0, length: MiB },
      { offset: 512 * KiB, length: MiB },
    ];
    expect(() => chunksOf(joined(overlapping), 2 ** 30, 8 * MiB)).toThrow(RangeError);
  });
});
