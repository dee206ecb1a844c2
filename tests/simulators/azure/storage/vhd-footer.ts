import { randomBytes } from 'node:crypto';

export const footerBytes = 512;
const sectorBytes = 512;
/** VHD counts seconds from 2000-01-01. */
const epochMs = Date.UTC(2000, 0, 1);

/** The footer of a fixed VHD, which an exported disk ends with; "Virtual Hard Disk Image Format Specification" 1.0. */
export function vhdFooter(sizeBytes: number): Buffer {
  const footer = Buffer.alloc(footerBytes);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x10000, 12);
  footer.writeBigUInt64BE(0xffffffffffffffffn, 16);
  footer.writeUInt32BE(Math.floor((Date.now() - epochMs) / 1000), 24);
  footer.write('win ', 28, 'latin1');
  footer.writeUInt32BE(0xa0000, 32);
  footer.write('Wi2k', 36, 'latin1');
  footer.writeBigUInt64BE(BigInt(sizeBytes), 40);
  footer.writeBigUInt64BE(BigInt(sizeBytes), 48);
  const [cylinders, heads, sectors] = geometry(sizeBytes / sectorBytes);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(2, 60);
  randomBytes(16).copy(footer, 68);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  return footer;
}

/** Appendix "CHS Calculation". */
function geometry(count: number): [number, number, number] {
  const total = Math.min(count, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return [Math.floor(total / 255 / 16), 16, 255];
  let sectors = 17;
  let tracks = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  if (tracks >= heads * 1024) {
    sectors = 63;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  return [Math.floor(tracks / heads), heads, sectors];
}
