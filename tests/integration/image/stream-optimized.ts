import { readFile, writeFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';

const sector = 512;
const grainSectors = 128;
const tableEntries = 512;
const atEnd = 0xffffffffffffffffn;
const marker = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 };

/**
 * Writes a streamOptimized VMDK as VMware's tools do: compressed grains in order, then grain tables, the
 * directory, and a footer that says where it is. qemu-img can read these but writes another kind.
 */
export async function writeStreamOptimized(raw: string, path: string): Promise<void> {
  const disk = await readFile(raw);
  const capacity = disk.length / sector;
  const parts: Buffer[] = [];
  let at = 0;
  const add = (bytes: Buffer): number => {
    const start = at;
    const padded = Buffer.alloc(Math.ceil(bytes.length / sector) * sector);
    bytes.copy(padded);
    parts.push(padded);
    at += padded.length / sector;
    return start;
  };
  const metadata = (type: number, sectors: number): void => {
    const head = Buffer.alloc(sector);
    head.writeBigUInt64LE(BigInt(sectors), 0);
    head.writeUInt32LE(type, 12);
    add(head);
  };

  add(header(capacity, atEnd));
  add(descriptor(capacity));
  while (at < 128) add(Buffer.alloc(sector));
  const grains: number[] = [];
  for (let first = 0; first < capacity; first += grainSectors) {
    const grain = Buffer.alloc(grainSectors * sector);
    disk.copy(grain, 0, first * sector, Math.min((first + grainSectors) * sector, disk.length));
    if (grain.every((byte) => byte === 0)) {
      grains.push(0);
      continue;
    }
    const data = deflateSync(grain);
    const head = Buffer.alloc(12);
    head.writeBigUInt64LE(BigInt(first), 0);
    head.writeUInt32LE(data.length, 8);
    grains.push(add(Buffer.concat([head, data])));
  }
  const directory: number[] = [];
  for (let first = 0; first < grains.length; first += tableEntries) {
    metadata(marker.grainTable, (tableEntries * 4) / sector);
    directory.push(add(u32(grains.slice(first, first + tableEntries), tableEntries)));
  }
  metadata(marker.grainDirectory, 1);
  const directorySector = add(u32(directory, 128));
  metadata(marker.footer, 1);
  add(header(capacity, BigInt(directorySector)));
  metadata(marker.endOfStream, 0);
  await writeFile(path, Buffer.concat(parts));
}

function u32(values: number[], count: number): Buffer {
  const table = Buffer.alloc(count * 4);
  for (const [index, value] of values.entries()) table.writeUInt32LE(value, index * 4);
  return table;
}

function header(capacity: number, directorySector: bigint): Buffer {
  const head = Buffer.alloc(sector);
  head.write('KDMV', 0, 'latin1');
  head.writeUInt32LE(3, 4);
  head.writeUInt32LE(0x30001, 8);
  head.writeBigUInt64LE(BigInt(capacity), 12);
  head.writeBigUInt64LE(BigInt(grainSectors), 20);
  head.writeBigUInt64LE(1n, 28);
  head.writeBigUInt64LE(20n, 36);
  head.writeUInt32LE(tableEntries, 44);
  head.writeBigUInt64LE(directorySector, 56);
  head.writeBigUInt64LE(128n, 64);
  head.write('\n \r\n', 73, 'latin1');
  head.writeUInt16LE(1, 77);
  return head;
}

function descriptor(capacity: number): Buffer {
  const text = Buffer.alloc(20 * sector);
  text.write(
    '# Disk DescriptorFile\nversion=1\nCID=7e5b80a7\nparentCID=ffffffff\ncreateType="streamOptimized"\n\n' +
      `# Extent description\nRDONLY ${capacity} SPARSE "call-me-stream.vmdk"\n\n# The Disk Data Base\n#DDB\n\n` +
      'ddb.adapterType = "lsilogic"\n',
  );
  return text;
}
