import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readHostMemory, slotsFor } from '../../../workers/slots.ts';

const gibibyte = 1024 ** 3;

describe('slots of a host', () => {
  it('are the configured number when memory allows', () => {
    expect(slotsFor(4, { availableBytes: 64 * gibibyte })).toBe(4);
  });

  it('are two on a host with 4 GiB, however many are configured', () => {
    expect(slotsFor(16, { availableBytes: 4 * gibibyte })).toBe(2);
  });

  it('follow the cgroup limit when it is tighter than the RAM', () => {
    expect(slotsFor(16, { availableBytes: 64 * gibibyte, cgroupBytes: 7 * gibibyte })).toBe(3);
  });

  it('are at least one', () => {
    expect(slotsFor(4, { availableBytes: gibibyte / 2 })).toBe(1);
  });
});

describe('reading the memory of a host', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'longhaul-slots-'));
    mkdirSync(join(root, 'proc/self'), { recursive: true });
    mkdirSync(join(root, 'cgroup/system.slice/worker.service'), { recursive: true });
    writeFileSync(join(root, 'proc/meminfo'), 'MemTotal:        8388608 kB\nMemAvailable:    4194304 kB\n');
    writeFileSync(join(root, 'proc/self/cgroup'), '0::/system.slice/worker.service\n');
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const read = () => readHostMemory(join(root, 'proc'), join(root, 'cgroup'));

  it('takes what is available, not what is built in', () => {
    expect(read()).toEqual({ availableBytes: 4 * gibibyte, cgroupBytes: undefined });
  });

  it('takes the tightest limit on the way up the cgroup tree', () => {
    writeFileSync(join(root, 'cgroup/system.slice/memory.max'), `${3 * gibibyte}\n`);
    writeFileSync(join(root, 'cgroup/system.slice/worker.service/memory.max'), 'max\n');
    expect(read().cgroupBytes).toBe(3 * gibibyte);
  });
});
