import { MalformedArchive, type ByteReader } from './byte-reader.ts';

const headerBytes = 110;
const maxNameBytes = 4096;
const maxEntries = 500_000;
const trailer = 'TRAILER!!!';

/** Whether a cpio archive in "newc" format starts here; Documentation/driver-api/early-userspace/buffer-format.rst. */
export function isCpio(magic: Buffer): boolean {
  return /^07070[12]/.test(magic.toString('latin1', 0, 6));
}

/**
 * Calls `onName` for each entry of one archive; file contents are skipped. Consumes the archive with its
 * trailer.
 *
 * @throws MalformedArchive
 */
export async function readCpioNames(reader: ByteReader, onName: (name: string) => void): Promise<void> {
  const start = reader.position;
  for (let count = 0; count < maxEntries; count++) {
    const header = (await reader.read(headerBytes)).toString('latin1');
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) throw new MalformedArchive('a cpio header is damaged');
    // Thirteen fields of eight hexadecimal digits after the magic; file size is the 7th, name size the 12th.
    const field = (index: number) => parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const fileBytes = field(6);
    const nameBytes = field(11);
    if (nameBytes < 1 || nameBytes > maxNameBytes) throw new MalformedArchive('a cpio name is too long');
    const name = (await reader.read(nameBytes)).toString('latin1', 0, nameBytes - 1);
    await reader.skip(padding(reader.position - start));
    if (name === trailer) return;
    onName(name);
    await reader.skip(fileBytes);
    await reader.skip(padding(reader.position - start));
  }
  throw new MalformedArchive(`the archive has more than ${maxEntries} entries`);
}

/** Names and contents are padded to four bytes, counted from the start of the archive. */
function padding(offset: number): number {
  return (4 - (offset % 4)) % 4;
}
