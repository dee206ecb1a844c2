/**
 * The binary indexes that modprobe looks names up in (modules.dep.bin, modules.alias.bin ...), as depmod(8)
 * writes them: a trie of keys with values, all numbers big-endian; libkmod-index.c of kmod describes it.
 */

const magic = 0xb007f457;
/** Major version 2; the minor one has not changed what readers see. */
const version = 0x00020001;
const majorVersion = 2;
const flags = { prefix: 0x80000000, values: 0x40000000, children: 0x20000000 };
const offsetMask = 0x0fffffff;
const maxKeyChars = 4096;
/** Of all entries together; the symbols of every module of a kernel take a tenth. */
const maxAllKeysChars = 64 * 1024 * 1024;

/** One value of a key; several values of one key are tried by rising priority. */
export interface IndexEntry {
  key: string;
  value: string;
  priority: number;
}

/** Why an index could not be read: it is damaged, or of another version. */
export class MalformedIndex extends Error {}

/** @throws MalformedIndex */
export function readModuleIndex(index: Buffer): IndexEntry[] {
  const entries: IndexEntry[] = [];
  try {
    if (index.readUInt32BE(0) !== magic || index.readUInt32BE(4) >>> 16 !== majorVersion)
      throw new MalformedIndex('it is no module index');
    readNode({ index, entries, nodesBytes: 0, keysChars: 0 }, index.readUInt32BE(8), '');
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedIndex('it ends in the middle');
    throw error;
  }
  return entries;
}

interface Reading {
  index: Buffer;
  entries: IndexEntry[];
  /** Bytes of the nodes looked at: a hostile index can lead to one node on many ways, or in circles. */
  nodesBytes: number;
  keysChars: number;
}

/** Nodes stand after their children (depmod until kmod 33) or before them (since kmod 34). */
function readNode(reading: Reading, offset: number, key: string): void {
  const { index, entries } = reading;
  let at = offset & offsetMask;
  let path = key;
  const take = (bytes: number) => {
    at += bytes;
    reading.nodesBytes += bytes;
    if (reading.nodesBytes > index.length) throw new MalformedIndex('its nodes lead to one another');
  };
  const takeNumber = () => {
    const number = index.readUInt32BE(at);
    take(4);
    return number;
  };
  const takeText = () => {
    const [start, end] = [at, index.indexOf(0, at)];
    if (end < 0) throw new MalformedIndex('a text in it has no end');
    take(end + 1 - start);
    return index.toString('latin1', start, end);
  };
  if (hasFlag(offset, flags.prefix)) path += takeText();
  if (path.length > maxKeyChars) throw new MalformedIndex('a key in it is too long');
  if (hasFlag(offset, flags.children)) {
    const [first, last] = [index.readUInt8(at), index.readUInt8(at + 1)];
    take(2);
    for (let character = first; character <= last; character++) {
      const child = takeNumber();
      if (child !== 0) readNode(reading, child, path + String.fromCharCode(character));
    }
  }
  if (hasFlag(offset, flags.values)) {
    for (let left = takeNumber(); left > 0; left--) {
      const priority = takeNumber();
      entries.push({ key: path, value: takeText(), priority });
      reading.keysChars += path.length;
      if (reading.keysChars > maxAllKeysChars) throw new MalformedIndex('its keys are too long');
    }
  }
}

function hasFlag(offset: number, flag: number): boolean {
  return (offset & flag) !== 0;
}

/** Writes an index that holds the entries; equal ones are written once. */
export function writeModuleIndex(entries: readonly IndexEntry[]): Buffer {
  const unique = new Map(entries.map((entry) => [`${entry.key}\0${entry.value}`, entry]));
  const sorted = [...unique.values()].sort(
    (a, b) =>
      Buffer.compare(Buffer.from(a.key, 'latin1'), Buffer.from(b.key, 'latin1')) || a.priority - b.priority,
  );
  const head = Buffer.alloc(12);
  const parts = [head];
  const place = { bytes: head.length };
  const root = writeNode(sorted, 0, parts, place);
  head.writeUInt32BE(magic, 0);
  head.writeUInt32BE(version, 4);
  head.writeUInt32BE(root, 8);
  return Buffer.concat(parts);
}

/**
 * Writes the node for sorted entries that agree in their first `depth` characters, after its children.
 *
 * @returns its offset with its flags
 */
function writeNode(
  entries: readonly IndexEntry[],
  depth: number,
  parts: Buffer[],
  place: { bytes: number },
): number {
  const prefix = sharedPrefix(entries, depth);
  const end = depth + prefix.length;
  const here = entries.filter(({ key }) => key.length === end);
  const below = Map.groupBy(
    entries.filter(({ key }) => key.length > end),
    ({ key }) => key.charCodeAt(end),
  );
  const characters = [...below.keys()];
  const [first, last] = [characters[0] ?? 0, characters.at(-1) ?? 0];
  const children = new Map<number, number>();
  for (const [character, group] of below) children.set(character, writeNode(group, end + 1, parts, place));

  let offset = place.bytes;
  const add = (bytes: Buffer) => {
    parts.push(bytes);
    place.bytes += bytes.length;
  };
  if (prefix !== '') {
    add(Buffer.from(`${prefix}\0`, 'latin1'));
    offset += flags.prefix;
  }
  if (below.size > 0) {
    add(Buffer.from([first, last]));
    for (let character = first; character <= last; character++) add(number32(children.get(character) ?? 0));
    offset += flags.children;
  }
  if (here.length > 0) {
    add(number32(here.length));
    for (const { priority, value } of here)
      add(Buffer.concat([number32(priority), Buffer.from(`${value}\0`, 'latin1')]));
    offset += flags.values;
  }
  return offset;
}

function sharedPrefix(sorted: readonly IndexEntry[], depth: number): string {
  const first = sorted[0]?.key.slice(depth) ?? '';
  const last = sorted.at(-1)?.key.slice(depth) ?? '';
  let length = 0;
  while (length < Math.min(first.length, last.length) && first[length] === last[length]) length++;
  return first.slice(0, length);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
