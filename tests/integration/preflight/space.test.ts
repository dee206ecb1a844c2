import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { neededBytes } from '../../../activities/preflight/space-check.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';

const disk = (virtualSizeBytes: number, allocatedBytes: number): AcquiredDisk => ({
  index: 0,
  image: { path: '/a.raw', format: 'raw', virtualSizeBytes, extents: [] },
  virtualSizeBytes,
  allocatedBytes,
  files: [],
});

describe('the space a target may need', () => {
  it.each([1, 100, 5_000])('covers what qemu-img says a full qcow2 of %d GiB takes', (gibibytes) => {
    const size = gibibytes * 2 ** 30;
    const args = ['measure', '--output=json', '-O', 'qcow2', '--size', String(size)];
    const measured = JSON.parse(execFileSync('qemu-img', args, { encoding: 'utf8' })) as {
      'fully-allocated': number;
    };
    const needed = neededBytes([disk(size, size)], 'qcow2');
    expect(needed).toBeGreaterThanOrEqual(measured['fully-allocated']);
    expect(needed).toBeLessThan(measured['fully-allocated'] + 2 ** 20 + size / 10_000);
  });

  it('is the data alone for raw disks, all of them', () => {
    expect(neededBytes([disk(2 ** 40, 5_000_000), disk(2 ** 40, 1)], 'raw')).toBe(5_000_001);
  });
});
