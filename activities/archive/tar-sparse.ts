import { bytesIn, type Extent } from '../transfer/extents.ts';
import { blockBytes, tarNumber, type PaxRecord } from './tar-header.ts';

/** A disk in so many pieces is refused: the map is held in memory. */
const maxExtents = 250_000;

/** A file with holes as a tar has it; "Storing Sparse Files" in the manual of GNU tar. */
export interface SparseFile {
  /** Bytes of the file, holes included. */
  sizeBytes: number;
  /** Which parts are there, in their order. */
  extents: Extent[];
  /** Bytes of the map that lie before the data, padding included. */
  mapBytes: number;
}

/** Reads so many bytes that come next. */
type ReadNext = (count: number) => Promise<Buffer>;

/** @returns undefined when the map is not what GNU tar would write */
type Found = SparseFile | undefined;

/** Old GNU format: four entries in the header of type `S`, 21 in each block that follows while they last. */
export async function oldGnuSparse(header: Buffer, readNext: ReadNext): Promise<Found> {
  const extents: Extent[] = [];
  let more = header[482] === 1;
  if (!takeEntries(header, 386, 4, extents)) return undefined;
  while (more) {
    const [block, before] = [await readNext(blockBytes), extents.length];
    // One without an entry could be followed by such blocks for ever.
    if (!takeEntries(block, 0, 21, extents) || extents.length === before) return undefined;
    more = block[504] === 1;
  }
  const sizeBytes = tarNumber(header, 483, 12);
  return sizeBytes === undefined ? undefined : checked({ sizeBytes, extents, mapBytes: 0 });
}

function takeEntries(block: Buffer, start: number, count: number, extents: Extent[]): boolean {
  for (let at = start; at < start + count * 24; at += 24) {
    // An entry that is not used ends the list.
    if (block[at] === 0) return true;
    const offset = tarNumber(block, at, 12);
    const length = tarNumber(block, at + 12, 12);
    if (offset === undefined || length === undefined || extents.length >= maxExtents) return false;
    extents.push({ offset, length });
  }
  return true;
}

/** Whether the records of a member say that it is sparse. */
export const isPaxSparse = (records: readonly PaxRecord[]): boolean =>
  records.some(([key]) => key.startsWith('GNU.sparse.'));

/** The name of a sparse file in the newer formats; its header has one that only old programs would show. */
export const paxSparseName = (records: readonly PaxRecord[]): string | undefined =>
  single(records, 'GNU.sparse.name');

/** Formats 0.0 (a record for each number), 0.1 (all of them in one) and 1.0 (in front of the data). */
export async function paxSparse(records: readonly PaxRecord[], readNext: ReadNext): Promise<Found> {
  const major = single(records, 'GNU.sparse.major');
  const version = major === undefined ? '0' : `${major}.${single(records, 'GNU.sparse.minor') ?? ''}`;
  if (version === '1.0') return format1(records, readNext);
  if (version !== '0') return undefined;
  const map = single(records, 'GNU.sparse.map');
  const entries = records.filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes');
  if (map !== undefined && entries.length > 0) return undefined;
  const alternate = entries.every(([key], index) => key.endsWith(index % 2 === 0 ? 'offset' : 'numbytes'));
  const numbers = map === '' ? [] : (map?.split(',') ?? entries.map(([, value]) => value));
  const count = decimal(single(records, 'GNU.sparse.numblocks'));
  const sizeBytes = decimal(single(records, 'GNU.sparse.size'));
  const extents = paired(numbers.map(decimal));
  if (!alternate || sizeBytes === undefined || extents === undefined || extents.length !== count)
    return undefined;
  return checked({ sizeBytes, extents, mapBytes: 0 });
}

/** Decimal numbers, a line each: how many entries, then offset and length of each; padded to a block. */
async function format1(records: readonly PaxRecord[], readNext: ReadNext): Promise<Found> {
  const sizeBytes = decimal(single(records, 'GNU.sparse.realsize'));
  const extents: Extent[] = [];
  /** Of which no entry was made yet. */
  const numbers: number[] = [];
  let [rest, mapBytes, count] = ['', 0, Infinity];
  while (extents.length < count) {
    const block = await readNext(blockBytes);
    mapBytes += blockBytes;
    const lines = (rest + block.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    const found = lines.map(decimal);
    // No number is as long as a block.
    if (found.length === 0 || !found.every((each) => each !== undefined)) return undefined;
    numbers.push(...found);
    if (count === Infinity) count = numbers.shift() ?? 0;
    if (count > maxExtents) return undefined;
    extents.push(...(paired(numbers.splice(0, numbers.length & ~1)) ?? []));
  }
  const padded = /^\0*$/.test(rest) && extents.length === count && numbers.length === 0;
  if (sizeBytes === undefined || !padded) return undefined;
  return checked({ sizeBytes, extents, mapBytes });
}

function paired(numbers: readonly (number | undefined)[]): Extent[] | undefined {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * maxExtents) return undefined;
  const extents: Extent[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const [offset, length] = [numbers[at], numbers[at + 1]];
    if (offset === undefined || length === undefined) return undefined;
    extents.push({ offset, length });
  }
  return extents;
}

/** In order, not one over another, none beyond the end. */
function checked(file: SparseFile): Found {
  let end = 0;
  for (const { offset, length } of file.extents) {
    if (offset < end || offset + length > file.sizeBytes) return undefined;
    end = offset + length;
  }
  return file;
}

/** Bytes in the tar behind the header, map included. */
export const storedBytes = ({ extents, mapBytes }: SparseFile): number => bytesIn(extents) + mapBytes;

function single(records: readonly PaxRecord[], key: string): string | undefined {
  return records.find(([each]) => each === key)?.[1];
}

/** A size in decimal as it stands in extended headers. */
export function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,16}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}
