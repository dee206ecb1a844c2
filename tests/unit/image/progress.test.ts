import { describe, expect, it } from 'vitest';
import { dataBytesOf } from '../../../activities/image/allocation.ts';
import { ProgressMeter } from '../../../activities/host/progress-meter.ts';
import { shareOf } from '../../../activities/image/qemu-img.ts';

describe('progress of a copy', () => {
  it('is read from the lines of qemu-img', () => {
    expect(shareOf('    (12.50/100%)')).toBe(0.125);
    expect(shareOf('Images are identical.')).toBeUndefined();
  });

  it('counts bytes, with rate and time left', () => {
    const meter = new ProgressMeter(1, 1000, 0);
    expect(meter.at(0.1, 1000)).toEqual({
      index: 1,
      doneBytes: 100,
      totalBytes: 1000,
      rateBytesPerSecond: 100,
      etaSeconds: 9,
    });
  });

  it('forgets how fast it was long ago', () => {
    const meter = new ProgressMeter(0, 100_000, 0);
    meter.at(0.5, 1000);
    for (let second = 2; second <= 20; second++) meter.at(0.5 + second / 10_000, second * 1000);
    expect(meter.at(0.5021, 21_000).rateBytesPerSecond).toBeLessThan(20);
  });

  it('has no time left to tell while nothing moves', () => {
    expect(new ProgressMeter(0, 1000, 0).at(0, 5000)).not.toHaveProperty('etaSeconds');
  });
});

describe('the map of a disk', () => {
  it('counts data, not zeros and holes', () => {
    const line = (zero: boolean, data: boolean) =>
      `{ "start": 0, "length": 4096, "depth": 0, "present": true, "zero": ${zero}, "data": ${data}},`;
    expect(dataBytesOf(line(false, true))).toBe(4096);
    expect(dataBytesOf(line(true, true))).toBe(0);
    expect(dataBytesOf(line(true, false))).toBe(0);
    expect(dataBytesOf(']')).toBe(0);
  });
});
