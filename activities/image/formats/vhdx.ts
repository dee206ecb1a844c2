import { crc32c } from './crc32c.ts';
import { u64le, type ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';

const kib = 1024;
const headerOffsets = [64 * kib, 128 * kib];
const regionOffsets = [192 * kib, 256 * kib];
const guids = {
  bat: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
} as const;
const fullyPresent = 6;
const maxTableEntries = 2047;

export const isVhdx = (head: Buffer): boolean => head.subarray(0, 8).toString('latin1') === 'vhdxfile';

interface Region {
  offset: number;
  length: number;
}

/**
 * Reads a VHDX (MS-VHDX). A log that has to be replayed is left to QEMU's opinion in chain.ts: replaying
 * writes, and a source is never written to.
 */
export async function parseVhdx(file: ImageFile): Promise<Layer> {
  if (!isVhdx(await file.peek(0, 8))) throw file.corrupt('is not a VHDX image');
  await requireHeader(file);
  const regions = await readRegions(file);
  const metadata = await readMetadata(file, region(file, regions, guids.metadata, 'metadata'));

  const parameters = await item(file, metadata, guids.fileParameters, 8);
  if ((parameters.readUInt32LE(4) & 2) !== 0)
    throw file.unsupported(
      'is a differencing VHDX: it holds only changes to a parent',
      'Merge it into its parent on the source (Hyper-V: Merge-VHD) and migrate the merged disk.',
    );
  const blockBytes = parameters.readUInt32LE(0);
  if (blockBytes < 1024 * kib || blockBytes > 256 * 1024 * kib || (blockBytes & (blockBytes - 1)) !== 0)
    throw file.corrupt(`has blocks of ${blockBytes} bytes`);
  const virtualSizeBytes = u64le(await item(file, metadata, guids.virtualDiskSize, 8), 0);
  const sectorBytes = (await item(file, metadata, guids.logicalSectorSize, 4)).readUInt32LE(0);
  if (sectorBytes !== 512 && sectorBytes !== 4096) throw file.corrupt(`has sectors of ${sectorBytes} bytes`);

  const bat = region(file, regions, guids.bat, 'block table');
  const allocatedBytes = await walkBlockTable(file, bat, { virtualSizeBytes, blockBytes, sectorBytes });
  return { format: 'vhdx', virtualSizeBytes, allocatedBytes, extents: [] };
}

async function requireHeader(file: ImageFile): Promise<void> {
  for (const offset of headerOffsets) {
    const header = await file.read(offset, 4 * kib, 'the VHDX header');
    if (header.subarray(0, 4).toString('latin1') === 'head' && checksumHolds(header)) return;
  }
  throw file.corrupt('has no intact VHDX header');
}

async function readRegions(file: ImageFile): Promise<Map<string, Region>> {
  for (const offset of regionOffsets) {
    const table = await file.read(offset, 64 * kib, 'the region table');
    const count = table.readUInt32LE(8);
    if (table.subarray(0, 4).toString('latin1') !== 'regi' || !checksumHolds(table)) continue;
    if (count > maxTableEntries) throw file.corrupt(`has ${count} regions`);
    const regions = new Map<string, Region>();
    for (let at = 16; at < 16 + count * 32; at += 32) {
      const found = { offset: u64le(table, at + 16), length: table.readUInt32LE(at + 24) };
      file.requireWithin(found.offset, found.length, 'a region');
      regions.set(guid(table, at), found);
    }
    return regions;
  }
  throw file.corrupt('has no intact region table');
}

function region(file: ImageFile, regions: Map<string, Region>, id: string, what: string): Region {
  const found = regions.get(id);
  if (found === undefined) throw file.corrupt(`has no ${what} region`);
  return found;
}

async function readMetadata(file: ImageFile, where: Region): Promise<Map<string, Region>> {
  const table = await file.read(where.offset, 64 * kib, 'the metadata table');
  const count = table.readUInt16LE(10);
  if (table.subarray(0, 8).toString('latin1') !== 'metadata' || count > maxTableEntries)
    throw file.corrupt('has a damaged metadata table');
  const items = new Map<string, Region>();
  for (let at = 32; at < 32 + count * 32; at += 32) {
    const offset = table.readUInt32LE(at + 16);
    const length = table.readUInt32LE(at + 20);
    if (offset + length > where.length) throw file.corrupt('has metadata outside its region');
    items.set(guid(table, at), { offset: where.offset + offset, length });
  }
  return items;
}

async function item(
  file: ImageFile,
  metadata: Map<string, Region>,
  id: string,
  bytes: number,
): Promise<Buffer> {
  const found = metadata.get(id);
  if (found === undefined || found.length < bytes) throw file.corrupt(`lacks the metadata item ${id}`);
  return file.read(found.offset, bytes, 'a metadata item');
}

/** Checks that every block lies in the file; returns the bytes of blocks that hold data. */
async function walkBlockTable(
  file: ImageFile,
  bat: Region,
  disk: { virtualSizeBytes: number; blockBytes: number; sectorBytes: number },
): Promise<number> {
  // After each `chunk` payload entries comes one for a sector bitmap, unused without a parent.
  const chunk = (2 ** 23 * disk.sectorBytes) / disk.blockBytes;
  const blocks = Math.ceil(disk.virtualSizeBytes / disk.blockBytes);
  const entries = blocks + Math.floor(Math.max(blocks - 1, 0) / chunk);
  if (entries * 8 > bat.length) throw file.corrupt('has a block table too small for its size');
  let present = 0;
  await file.readTable(
    { offset: bat.offset, entries, entryBytes: 8, what: 'its block table' },
    (piece, first) => {
      for (let i = 0; i < piece.length / 8; i++) {
        const low = piece.readUInt32LE(i * 8);
        if ((first + i) % (chunk + 1) === chunk || (low & 7) !== fullyPresent) continue;
        const offset = piece.readUInt32LE(i * 8 + 4) * 2 ** 32 + low - (low % 2 ** 20);
        file.requireWithin(offset, disk.blockBytes, 'a data block');
        present += 1;
      }
    },
  );
  return Math.min(present * disk.blockBytes, disk.virtualSizeBytes);
}

/** Headers and region tables carry a CRC-32C over themselves with the field at byte 4 as zero. */
function checksumHolds(block: Buffer): boolean {
  const copy = Buffer.from(block);
  copy.writeUInt32LE(0, 4);
  return crc32c(copy) === block.readUInt32LE(4);
}

/** The text form of a GUID: its first three groups are little-endian. */
function guid(bytes: Buffer, at: number): string {
  const hex = (from: number, to: number) => bytes.toString('hex', at + from, at + to);
  const swapped = (from: number, to: number) =>
    Buffer.from(bytes.subarray(at + from, at + to))
      .reverse()
      .toString('hex');
  return [swapped(0, 4), swapped(4, 6), swapped(6, 8), hex(8, 10), hex(10, 16)].join('-');
}
