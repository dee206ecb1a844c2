import { writeFile } from 'node:fs/promises';

/**
 * A guest in one sector: a BIOS boot program that writes a text to the first serial port and then halts for
 * ever. Boots in a second even when emulated.
 */
export async function writeBootSectorDisk(path: string, text: string): Promise<void> {
  const program = Buffer.from([
    ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8], // cli; ds = 0
    ...[0xbe, 0x17, 0x7c, 0xba, 0xf8, 0x03], // si = the text; dx = COM1
    ...[0xfc, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // write until a zero byte
    ...[0xf4, 0xeb, 0xfd], // hlt, for ever
  ]);
  await writeFile(path, diskOf(Buffer.concat([program, Buffer.from(`${text}\0`)])), { mode: 0o600 });
}

/** A guest that switches itself off: QEMU's ACPI power-off of q35 (port 0x604). */
export async function writePowerOffDisk(path: string): Promise<void> {
  const program = Buffer.from([0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd]);
  await writeFile(path, diskOf(program), { mode: 0o600 });
}

function diskOf(program: Buffer): Buffer {
  const disk = Buffer.alloc(1024 * 1024);
  if (program.length > 510) throw new RangeError('the program is longer than a sector');
  program.copy(disk);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}
