import { extract, type ExtractEvents } from 'tar-stream';
import { decodeText } from '../image/formats/image-file.ts';
import { MalformedArchive } from '../host/byte-reader.ts';

/** Headers, and the unit that everything in a tar is padded to; POSIX.1-2024, pax, "ustar Interchange Format". */
export const blockBytes = 512;

const sizeField = { at: 124, length: 12 };
const checksumField = { at: 148, length: 8 };
/** The most that the octal field of a size holds. */
export const maxOctalBytes = 0o77777777777;

export const isZeroBlock = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** Whether a tar of any kind, with a magic or without, starts with this block: its checksum holds. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < blockBytes || isZeroBlock(block)) return false;
  let sum = 0;
  for (let at = 0; at < blockBytes; at += 1) {
    const inChecksum = at >= checksumField.at && at < checksumField.at + checksumField.length;
    sum += inChecksum ? 0x20 : (block[at] ?? 0);
  }
  return tarNumber(block, checksumField.at, checksumField.length) === sum;
}

/** The letter that tells the kind of a member; NUL is what old programs wrote for `0`. */
export const typeOf = (block: Buffer): string => {
  const letter = block.toString('latin1', 156, 157);
  return letter === '\0' ? '0' : letter;
};

/** The size as the header has it. @returns undefined when it is no size: negative, no number, beyond 2^53 */
export const sizeIn = (block: Buffer): number | undefined => tarNumber(block, sizeField.at, sizeField.length);

/**
 * A number in a header: octal digits, with spaces before and spaces or NULs behind, or binary, as GNU tar writes what
 * is too long for that. An empty field is 0.
 */
export function tarNumber(block: Buffer, at: number, length: number): number | undefined {
  const field = block.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) !== 0) return binaryNumber(field);
  const [, digits] = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1')) ?? [];
  return digits === undefined ? undefined : parseInt(digits || '0', 8);
}

function binaryNumber(field: Buffer): number | undefined {
  // 0xff begins a negative number.
  if (field[0] !== 0x80) return undefined;
  const value = BigInt(`0x${field.toString('hex', 1)}`);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** A record of an extended header. Values of keys that are not looked at may be of any bytes. */
export type PaxRecord = readonly [key: string, value: string];

/**
 * The records of a pax extended header, each `LENGTH KEY=VALUE\n` with the length in decimal over all of it.
 *
 * @returns undefined unless every byte of it obeys the grammar
 */
export function paxRecords(data: Buffer): PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  for (let at = 0; at < data.length;) {
    const [prefix, digits = ''] = /^([1-9][0-9]{0,7}) /.exec(data.toString('latin1', at, at + 9)) ?? [];
    const end = at + Number(digits);
    if (prefix === undefined || end > data.length || data[end - 1] !== 0x0a) return undefined;
    const record = data.subarray(at + prefix.length, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) return undefined;
    // A name that is not UTF-8 is told from others by what replaces its bytes.
    const value = record.subarray(equals + 1);
    records.push([record.toString('latin1', 0, equals), decodeText(value) ?? value.toString('utf8')]);
    at = end;
  }
  return records;
}

/** tar-stream's options that its types do not tell. */
const readerOptions = { allowUnknownFormat: true, filenameEncoding: 'utf-8', highWaterMark: 0 };

/**
 * What tar-stream makes of a header and the extended headers that belong to it. It is given headers only, never data:
 * so data can be passed over without being read, and nothing it gathers grows beyond what it was given.
 *
 * @throws MalformedArchive
 */
export function readHeaders(blocks: readonly Buffer[]): Promise<{ name: string; size: number }> {
  return new Promise((resolve, reject) => {
    const reader = extract(readerOptions);
    const entered: (...entry: ExtractEvents['entry']) => void = ({ name, size }, body) => {
      body.on('error', () => undefined);
      resolve({ name, size });
      reader.destroy();
    };
    reader.on('entry', entered);
    reader.on('error', (error: Error) =>
      reject(new MalformedArchive(`a header is damaged: ${error.message}`)),
    );
    reader.on('close', () => reject(new MalformedArchive('a header is damaged')));
    reader.end(Buffer.concat(blocks));
  });
}
