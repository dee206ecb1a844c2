import { describe, expect, it } from 'vitest';
import { generatedMac } from '../../../activities/sources/mac.ts';

describe('a generated MAC address', () => {
  it('lies in the range of QEMU and is the same each time', () => {
    expect(generatedMac('web01', 0)).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    expect(generatedMac('web01', 0)).toBe(generatedMac('web01', 0));
  });

  it('differs between NICs and between VMs', () => {
    const macs = [generatedMac('web01', 0), generatedMac('web01', 1), generatedMac('web02', 0)];
    expect(new Set(macs).size).toBe(3);
  });
});
