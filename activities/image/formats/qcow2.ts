import { imageFormats } from '../../../contracts/spec-sources.ts';
import type { ImageFormat } from '../../../contracts/spec.ts';
import { imageError } from '../errors.ts';
import { decodeText, u64be, type ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';
import { qcow2DataEnd } from './qcow2-tables.ts';

const magic = 0x514649fb;
const extensionBackingFormat = 0xe2792aca;
const extensionDataFile = 0x44415441;
const incompatible = { corrupt: 1n << 1n, dataFile: 1n << 2n, extendedL2: 1n << 4n };
/** Dirty, corrupt, external data, compression type, extended L2. */
const knownIncompatible = 0x1fn;
/** QEMU's limits: 32 MiB of L1 table, names of 1023 bytes. */
const maxL1Bytes = 32 * 1024 * 1024;
const maxNameBytes = 1023;

export const isQcow = (head: Buffer): boolean => head.length >= 8 && head.readUInt32BE(0) === magic;

/** Whether the image is on top of another, or keeps its data elsewhere, by its first 80 bytes. */
export function qcow2NamesOtherFiles(head: Buffer): boolean {
  const onAnother = u64be(head, 8) !== 0 && head.readUInt32BE(16) !== 0;
  const features = head.readUInt32BE(4) >= 3 ? head.readBigUInt64BE(72) : 0n;
  return onAnother || (features & incompatible.dataFile) !== 0n;
}

/** Reads a qcow2 header, version 2 or 3 (QEMU docs/interop/qcow2.txt), and checks every table's bounds. */
export async function parseQcow2(file: ImageFile): Promise<Layer> {
  const head = await file.read(0, 72, 'the qcow2 header');
  if (!isQcow(head)) throw file.corrupt('is not a qcow2 image');
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3)
    throw file.unsupported(
      `is a qcow image of version ${version}`,
      'Convert it to qcow2 with qemu-img and retry.',
    );
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw file.corrupt(`has clusters of 2^${clusterBits} bytes`);
  if (head.readUInt32BE(32) !== 0) throw encrypted(file);

  const features = version === 3 ? await readFeatures(file) : { bits: 0n, headerLength: 72 };
  checkFeatures(file, features.bits);

  const virtualSizeBytes = u64be(head, 24);
  const extendedL2 = (features.bits & incompatible.extendedL2) !== 0n;
  if (extendedL2 && clusterBits < 14) throw file.corrupt('has subclusters smaller than a sector');
  const l1 = { offset: u64be(head, 40), entries: head.readUInt32BE(36) };
  checkL1(file, l1, { virtualSizeBytes, clusterBits, extendedL2 });

  const nameOffset = u64be(head, 8);
  const nameLength = head.readUInt32BE(16);
  const extensions = await readExtensions(
    file,
    features.headerLength,
    nameOffset === 0 ? 2 ** clusterBits : nameOffset,
  );
  const hasDataFile = (features.bits & incompatible.dataFile) !== 0n;
  const endBytes = await qcow2DataEnd(file, {
    l1,
    clusterBits,
    extendedL2,
    virtualSizeBytes,
    dataElsewhere: hasDataFile,
  });

  const layer: Layer = { format: 'qcow2', virtualSizeBytes, extents: [] };
  if (nameOffset !== 0 && nameLength !== 0) {
    if (nameLength > maxNameBytes || nameOffset + nameLength > 2 ** clusterBits)
      throw file.corrupt('has a backing file name outside its first cluster');
    const format = backingFormat(file, extensions.get(extensionBackingFormat));
    layer.backing = { name: decode(file, await file.read(nameOffset, nameLength, 'the backing file name')) };
    if (format !== undefined) layer.backing.format = format;
  }
  if (hasDataFile) {
    const name = extensions.get(extensionDataFile);
    if (name === undefined) throw file.corrupt('keeps its data in another file and does not name it');
    layer.dataFile = { name: decode(file, name), endBytes };
  }
  return layer;
}

async function readFeatures(file: ImageFile): Promise<{ bits: bigint; headerLength: number }> {
  const more = await file.read(72, 32, 'the qcow2 header');
  const headerLength = more.readUInt32BE(28);
  if (headerLength < 104 || headerLength > 65536 || headerLength % 8 !== 0)
    throw file.corrupt(`claims a header of ${headerLength} bytes`);
  return { bits: more.readBigUInt64BE(0), headerLength };
}

function checkFeatures(file: ImageFile, bits: bigint): void {
  if ((bits & ~knownIncompatible) !== 0n)
    throw file.unsupported(
      `uses qcow2 features that are not known (0x${bits.toString(16)})`,
      'Convert it with the qemu-img of the system that made it, without extra options.',
    );
  if ((bits & incompatible.corrupt) !== 0n)
    throw imageError(
      'IMAGE_CORRUPT',
      file.path,
      'is marked as corrupt by QEMU',
      'Repair a copy of it with `qemu-img check -r all` and migrate the copy.',
    );
}

function checkL1(
  file: ImageFile,
  l1: { offset: number; entries: number },
  shape: { virtualSizeBytes: number; clusterBits: number; extendedL2: boolean },
): void {
  const clusterBytes = 2 ** shape.clusterBits;
  const bytesPerL2 = (clusterBytes / (shape.extendedL2 ? 16 : 8)) * clusterBytes;
  const needed = Math.ceil(shape.virtualSizeBytes / bytesPerL2);
  if (l1.entries * 8 > maxL1Bytes || l1.entries < needed)
    throw file.corrupt(`has an L1 table of ${l1.entries} entries where ${needed} are needed`);
  if (l1.entries === 0) return;
  if (l1.offset === 0 || l1.offset % clusterBytes !== 0)
    throw file.corrupt(`has its L1 table at the odd place ${l1.offset}`);
  file.requireWithin(l1.offset, l1.entries * 8, 'its L1 table');
}

async function readExtensions(file: ImageFile, start: number, end: number): Promise<Map<number, Buffer>> {
  const found = new Map<number, Buffer>();
  let offset = start;
  while (offset + 8 <= end) {
    const head = await file.read(offset, 8, 'a header extension');
    const type = head.readUInt32BE(0);
    const length = head.readUInt32BE(4);
    if (type === 0) break;
    if (offset + 8 + length > end) throw file.corrupt('has a header extension longer than its header');
    if (type === extensionBackingFormat || type === extensionDataFile) {
      if (length > maxNameBytes) throw file.corrupt('has an oversized name in a header extension');
      found.set(type, await file.read(offset + 8, length, 'a header extension'));
    }
    offset += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

function backingFormat(file: ImageFile, extension: Buffer | undefined): ImageFormat | undefined {
  if (extension === undefined || extension.length === 0) return undefined;
  const name = decode(file, extension);
  const format = imageFormats.find((known) => known === name);
  if (format === undefined)
    throw file.unsupported(
      `has a backing file of format ${JSON.stringify(name)}`,
      `Flatten the chain with qemu-img on the source; parents can be ${imageFormats.join(', ')}.`,
    );
  return format;
}

function decode(file: ImageFile, bytes: Buffer): string {
  const name = decodeText(bytes);
  if (name === undefined || name.length === 0 || name.includes('\0'))
    throw file.corrupt('holds an unreadable file name');
  return name;
}

function encrypted(file: ImageFile): Error {
  return imageError(
    'IMAGE_ENCRYPTED',
    file.path,
    'is encrypted by the qcow2 format',
    'Decrypt it on the source: qemu-img convert to an image without encryption.',
  );
}
