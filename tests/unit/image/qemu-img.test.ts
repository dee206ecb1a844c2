import { describe, expect, it } from 'vitest';
import { askSeconds } from '../../../activities/image/qemu-img.ts';

const tebibyte = 1024 ** 4;

describe('the time a question to qemu-img may take', () => {
  it('is short for one about a header', () => {
    expect(askSeconds()).toEqual({ wall: 120, cpu: 60 });
  });

  it('grows with the disk whose extents are mapped, as far as a wholly fragmented one needs', () => {
    const extents = (8 * tebibyte) / 65_536 / 2;
    expect(askSeconds(8 * tebibyte).wall).toBeGreaterThan(extents / 25_000);
    expect(askSeconds(8 * tebibyte).cpu).toBeLessThanOrEqual(askSeconds(8 * tebibyte).wall);
  });
});
