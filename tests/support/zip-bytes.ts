import { crc32, deflateRawSync } from 'node:zlib';

/** Builds zips byte by byte, such as no program would write. Layout: APPNOTE.TXT, PKWARE. */

export interface ZipEntryFields {
  name: string | Buffer;
  data?: string | Buffer;
  /** 8 is deflate, 0 stored. */
  method?: number;
  flags?: number;
  /** As stat(2) has it; given to entries that were packed on Unix. */
  unixMode?: number;
  /** What directory or local header say in place of the truth. */
  directory?: Partial<Numbers>;
  local?: Partial<Numbers> & { name?: string };
  /** Extra fields of the entry in the directory. */
  extra?: Buffer;
  /** In place of the compressed data. */
  compressed?: Buffer;
  /** Shares the local header of an earlier entry, by its number. */
  sameAs?: number;
}

interface Numbers {
  method: number;
  flags: number;
  crc: number;
  compressedSize: number;
  size: number;
  offset: number;
}

export interface ZipFields {
  prefix?: Buffer;
  comment?: string;
  suffix?: Buffer;
  disk?: number;
  entryCount?: number;
  directoryOffset?: number;
}

export function zip(entries: readonly ZipEntryFields[], fields: ZipFields = {}): Buffer {
  const locals: Buffer[] = [fields.prefix ?? Buffer.alloc(0)];
  const offsets: number[] = [];
  const directory: Buffer[] = [];
  for (const entry of entries) {
    const data = Buffer.from(entry.data ?? '');
    const method = entry.method ?? 8;
    const compressed = entry.compressed ?? (method === 8 ? deflateRawSync(data) : data);
    const offset = entry.sameAs === undefined ? total(locals) : (offsets[entry.sameAs] ?? 0);
    offsets.push(offset);
    const truth: Numbers = {
      method,
      flags: entry.flags ?? 0,
      crc: crc32(data),
      compressedSize: compressed.length,
      size: data.length,
      offset,
    };
    if (entry.sameAs === undefined)
      locals.push(localHeader(entry.local?.name ?? entry.name, { ...truth, ...entry.local }), compressed);
    directory.push(directoryEntry(entry, { ...truth, ...entry.directory }));
  }
  const directoryOffset = fields.directoryOffset ?? total(locals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(fields.disk ?? 0, 4);
  end.writeUInt16LE(fields.disk ?? 0, 6);
  end.writeUInt16LE(fields.entryCount ?? entries.length, 8);
  end.writeUInt16LE(fields.entryCount ?? entries.length, 10);
  end.writeUInt32LE(total(directory), 12);
  end.writeUInt32LE(directoryOffset, 16);
  end.writeUInt16LE(Buffer.byteLength(fields.comment ?? ''), 20);
  return Buffer.concat([
    ...locals,
    ...directory,
    end,
    Buffer.from(fields.comment ?? ''),
    fields.suffix ?? Buffer.alloc(0),
  ]);
}

const total = (parts: readonly Buffer[]): number => parts.reduce((sum, part) => sum + part.length, 0);

function localHeader(name: string | Buffer, numbers: Numbers): Buffer {
  const nameBytes = Buffer.from(name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  common(header, 6, numbers);
  header.writeUInt16LE(nameBytes.length, 26);
  return Buffer.concat([header, nameBytes]);
}

function directoryEntry(
  { name, extra = Buffer.alloc(0), unixMode }: ZipEntryFields,
  numbers: Numbers,
): Buffer {
  const nameBytes = Buffer.from(name);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE((unixMode === undefined ? 0 : 3 << 8) | 20, 4);
  header.writeUInt16LE(20, 6);
  common(header, 8, numbers);
  header.writeUInt16LE(nameBytes.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(((unixMode ?? 0) << 16) >>> 0, 38);
  header.writeUInt32LE(numbers.offset, 42);
  return Buffer.concat([header, nameBytes, extra]);
}

/** Flags, method, time, checksum and sizes stand alike in both headers. */
function common(header: Buffer, at: number, { flags, method, crc, compressedSize, size }: Numbers): void {
  header.writeUInt16LE(flags, at);
  header.writeUInt16LE(method, at + 2);
  header.writeUInt32LE(crc, at + 8);
  header.writeUInt32LE(compressedSize, at + 12);
  header.writeUInt32LE(size, at + 16);
}
