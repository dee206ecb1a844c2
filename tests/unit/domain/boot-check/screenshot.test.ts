import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pngOfPpm } from '../../../../activities/domain/boot-check/screenshot.ts';

describe('turning PPM into PNG', () => {
  it('keeps size and pixels', () => {
    const pixels = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 8, 8, 8, 7, 7, 7]);
    const png = pngOfPpm(Buffer.concat([Buffer.from('P6\n3 2\n255\n'), pixels])) ?? Buffer.alloc(0);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3, 2]);
    const start = png.indexOf('IDAT');
    const rows = inflateSync(png.subarray(start + 4, start + 4 + png.readUInt32BE(start - 4)));
    expect(Buffer.concat([rows.subarray(1, 10), rows.subarray(11, 20)])).toEqual(pixels);
  });

  it.each(['', 'P5\n1 1\n255\nx', 'P6\n100 100\n255\nshort', 'P6\n0 0\n255\n'])('refuses %j', (text) => {
    expect(pngOfPpm(Buffer.from(text))).toBeUndefined();
  });
});
