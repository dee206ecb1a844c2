import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../activities/image/formats/crc32c.ts';

describe('CRC-32C', () => {
  it('agrees with the check values of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  });
});
