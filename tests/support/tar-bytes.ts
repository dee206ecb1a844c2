/** Builds tars byte by byte, such as no program would write. Layout: POSIX.1-2024, pax; the manual of GNU tar. */

export interface HeaderFields {
  name?: string | Buffer;
  /** A number, or the twelve bytes of the field. */
  size?: number | Buffer | string;
  type?: string;
  magic?: 'ustar' | 'gnu' | 'v7';
  prefix?: string;
  linkname?: string;
  mode?: string;
  /** Bytes at offsets, before the checksum is made. */
  raw?: Readonly<Record<number, string | Buffer>>;
  /** In place of the checksum. */
  checksum?: string;
}

const magics = { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '' } as const;

export function tarHeader(fields: HeaderFields = {}): Buffer {
  const block = Buffer.alloc(512);
  put(block, 0, fields.name ?? 'disk.raw');
  put(block, 100, fields.mode ?? '0000644\0');
  put(block, 108, '0000000\x000000000\0');
  put(block, 124, typeof fields.size === 'number' ? octal(fields.size, 11) : (fields.size ?? octal(0, 11)));
  put(block, 136, '00000000000\0');
  put(block, 156, fields.type ?? '0');
  put(block, 157, fields.linkname ?? '');
  put(block, 257, magics[fields.magic ?? 'ustar']);
  put(block, 345, fields.prefix ?? '');
  for (const [at, bytes] of Object.entries(fields.raw ?? {})) put(block, Number(at), bytes);
  put(block, 148, '        ');
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(block, 148, fields.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

function put(block: Buffer, at: number, bytes: string | Buffer): void {
  (typeof bytes === 'string' ? Buffer.from(bytes) : bytes).copy(block, at);
}

/** Octal digits and a NUL. */
export const octal = (value: number, digits: number): string =>
  `${value.toString(8).padStart(digits, '0')}\0`;

/** Twelve bytes, as GNU tar writes numbers that are too large for octal digits. */
export function base256(value: bigint, first = 0x80): Buffer {
  const field = Buffer.alloc(12);
  field.writeBigInt64BE(value, 4);
  if (value < 0n) field.fill(0xff, 1, 4);
  field[0] = first;
  return field;
}

/** Padded to whole blocks. */
export function padded(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A file with its data; the size is the data's unless told otherwise. */
export function tarFile(data: string | Buffer, fields: HeaderFields = {}): Buffer {
  return Buffer.concat([tarHeader({ size: Buffer.byteLength(data), ...fields }), padded(data)]);
}

/** Records of an extended header, each with its right length. */
export function paxData(records: readonly (readonly [string, string | Buffer])[]): Buffer {
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, Buffer.from(value))));
}

function paxRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = body.length;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

/** An extended header of given bytes: `x` for the next member, `g` for all that follow. */
export const extended = (data: string | Buffer, fields: HeaderFields = {}): Buffer =>
  tarFile(data, { name: 'PaxHeaders/disk.raw', type: 'x', ...fields });

export const pax = (records: Readonly<Record<string, string | Buffer>>, fields: HeaderFields = {}): Buffer =>
  extended(paxData(Object.entries(records)), fields);

/** A long name, or link name, as GNU tar has them. */
export const gnuLong = (name: string | Buffer, type = 'L'): Buffer =>
  tarFile(Buffer.concat([Buffer.from(name), Buffer.alloc(1)]), {
    name: '././@LongLink',
    type,
    magic: 'gnu',
  });

export const tarEnd = Buffer.alloc(1024);

/** A whole archive. */
export const tar = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, tarEnd]);
