import { MalformedArchive, type ByteReader } from '../../host/byte-reader.ts';

const headerBytes = 110;
const maxNameBytes = 4096;
const maxEntries = 500_000;
const trailer = 'TRAILER!!!';

/** One entry of an archive, before its content is read. */
export interface CpioEntry {
  name: string;
  /** Header and name as they stand, padded. */
  head: Buffer;
  fileBytes: number;
}

/** What an entry of our own is like besides its name and content; modes are those of stat(2). */
export interface CpioAttributes {
  mode: number;
  mtimeSeconds: number;
}

/** Whether a cpio archive in "newc" format starts here; Documentation/driver-api/early-userspace/buffer-format.rst. */
export function isCpio(magic: Buffer): boolean {
  return /^07070[12]/.test(magic.toString('latin1', 0, 6));
}

/**
 * The entries of one archive, without its trailer, which is consumed. Between two of them as much of the
 * content may be read from the reader as is wanted; the rest is skipped.
 *
 * @throws MalformedArchive
 */
export async function* cpioEntries(
  reader: ByteReader,
  onTrailer: (head: Buffer) => void = () => undefined,
): AsyncGenerator<CpioEntry> {
  const start = reader.position;
  for (let count = 0; count < maxEntries; count++) {
    const header = Buffer.from(await reader.read(headerBytes));
    const fields = header.toString('latin1');
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(fields)) throw new MalformedArchive('a cpio header is damaged');
    // Thirteen fields of eight hexadecimal digits after the magic; file size is the 7th, name size the 12th.
    const field = (index: number) => parseInt(fields.slice(6 + index * 8, 14 + index * 8), 16);
    const fileBytes = field(6);
    const nameBytes = field(11);
    if (nameBytes < 1 || nameBytes > maxNameBytes) throw new MalformedArchive('a cpio name is too long');
    const named = Buffer.from(await reader.read(nameBytes + padding(reader.position - start + nameBytes)));
    const name = named.toString('latin1', 0, nameBytes - 1);
    if (name === trailer) {
      onTrailer(Buffer.concat([header, named]));
      return;
    }
    const end = reader.position + fileBytes + padding(reader.position - start + fileBytes);
    yield { name, head: Buffer.concat([header, named]), fileBytes };
    await reader.skip(end - reader.position);
  }
  throw new MalformedArchive(`the archive has more than ${maxEntries} entries`);
}

/** Attributes of an entry that was read. */
export function attributesOf(entry: CpioEntry): CpioAttributes {
  const field = (index: number) => parseInt(entry.head.toString('latin1', 6 + index * 8, 14 + index * 8), 16);
  return { mode: field(1), mtimeSeconds: field(5) };
}

/** An entry owned by root, with its content, padded. */
export function cpioEntry(name: string, content: Buffer, { mode, mtimeSeconds }: CpioAttributes): Buffer {
  const nameBytes = Buffer.byteLength(name, 'latin1') + 1;
  // inode, mode, owner, group, links, time, size, four device numbers, name size, checksum
  const fields = [0, mode, 0, 0, 1, mtimeSeconds, content.length, 0, 0, 0, 0, nameBytes, 0];
  const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const head = Buffer.from(`070701${hex}${name}\0`, 'latin1');
  return Buffer.concat([
    head,
    Buffer.alloc(padding(head.length)),
    content,
    Buffer.alloc(padding(content.length)),
  ]);
}

/** Names and contents are padded to four bytes, counted from the start of the archive. */
export function padding(offset: number): number {
  return (4 - (offset % 4)) % 4;
}
