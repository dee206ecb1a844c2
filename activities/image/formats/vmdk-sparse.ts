import { u64le, type ImageFile } from './image-file.ts';

const kdmv = 0x564d444b;
const cowd = 0x44574f43;
const sectorBytes = 512;
/** All 64 bits set, as a number. */
const grainDirectoryAtEnd = 2 ** 64;
const flag = { redundantDirectory: 1 << 1, zeroGrain: 1 << 2, markers: 1 << 17 };
const maxDirectoryEntries = 32 * 1024 * 1024;
/** Grains of 1 GiB; QEMU's limit. */
const maxGrainSectors = 0x200000;

const magicOf = (head: Buffer): number => (head.length >= 4 ? head.readUInt32LE(0) : 0);
export const isSparseVmdk = (head: Buffer): boolean => magicOf(head) === kdmv;
export const isCowd = (head: Buffer): boolean => magicOf(head) === cowd;

export interface SparseExtent {
  sizeBytes: number;
  /** Where the descriptor is embedded; absent in the pieces of a split image. */
  descriptor?: { offset: number; length: number };
  compressed: boolean;
}

interface GrainTables {
  directorySector: number;
  directoryEntries: number;
  tableEntries: number;
  grainSectors: number;
  capacitySectors: number;
  compressed: boolean;
  markers: boolean;
  zeroGrain: boolean;
}

/**
 * Reads a hosted sparse extent (KDMV), streamOptimized included, and checks that every grain lies in the
 * file; VMware "Virtual Disk Format 5.0".
 */
export async function parseSparseExtent(file: ImageFile): Promise<SparseExtent> {
  let head = await file.read(0, sectorBytes, 'the VMDK header');
  if (!isSparseVmdk(head)) throw file.corrupt('is not a sparse VMDK extent');
  const descriptor = { offset: u64le(head, 28) * sectorBytes, length: u64le(head, 36) * sectorBytes };
  if (u64le(head, 56) === grainDirectoryAtEnd) head = await readStreamFooter(file);

  const version = head.readUInt32LE(4);
  if (version < 1 || version > 3)
    throw file.unsupported(`is a VMDK of version ${version}`, 'Export the disk with a current VMware tool.');
  const tables = grainTables(file, head);
  if (u64le(head, 64) * sectorBytes > file.sizeBytes)
    throw file.truncated('its first grain', u64le(head, 64) * sectorBytes);
  const redundantSector = u64le(head, 48);
  if ((head.readUInt32LE(8) & flag.redundantDirectory) !== 0 && redundantSector !== 0)
    file.requireWithin(
      redundantSector * sectorBytes,
      tables.directoryEntries * 4,
      'its second grain directory',
    );
  await walkGrains(file, tables);
  return {
    sizeBytes: tables.capacitySectors * sectorBytes,
    compressed: tables.compressed,
    ...(descriptor.offset > 0 && descriptor.length > 0 ? { descriptor } : {}),
  };
}

/** Reads a COWD extent, ESX's sparse snapshot format (`VMFSSPARSE`). */
export async function parseCowdExtent(file: ImageFile): Promise<SparseExtent> {
  const head = await file.read(0, sectorBytes, 'the COWD header');
  if (!isCowd(head)) throw file.corrupt('is not a COWD extent');
  const tables: GrainTables = {
    capacitySectors: head.readUInt32LE(12),
    grainSectors: head.readUInt32LE(16),
    directorySector: head.readUInt32LE(20),
    directoryEntries: head.readUInt32LE(24),
    tableEntries: 4096,
    compressed: false,
    markers: false,
    zeroGrain: false,
  };
  checkShape(file, tables);
  await walkGrains(file, tables);
  return { sizeBytes: tables.capacitySectors * sectorBytes, compressed: false };
}

/** Reads the constant header of an seSparse extent; its tables are left to QEMU, which is strict on them. */
export async function parseSeSparseExtent(file: ImageFile): Promise<SparseExtent> {
  const head = await file.read(0, sectorBytes, 'the seSparse header');
  if (u64le(head, 0) !== 0xcafebabe) throw file.corrupt('is not an seSparse extent');
  for (const [at, what] of [
    [0x80, 'its grain directory'],
    [0x90, 'its grain tables'],
  ] as const)
    file.requireWithin(u64le(head, at) * sectorBytes, u64le(head, at + 8) * sectorBytes, what);
  return { sizeBytes: u64le(head, 16) * sectorBytes, compressed: false };
}

/** The header of a stream lies a second time at its end, between a footer and an end-of-stream marker. */
async function readStreamFooter(file: ImageFile): Promise<Buffer> {
  const endsWhole = file.sizeBytes % sectorBytes === 0 && file.sizeBytes >= 4 * sectorBytes;
  const tail = endsWhole
    ? await file.read(file.sizeBytes - 3 * sectorBytes, 3 * sectorBytes, 'the footer')
    : undefined;
  const footerMarker = 3;
  const whole =
    tail?.readUInt32LE(8) === 0 &&
    tail.readUInt32LE(12) === footerMarker &&
    isSparseVmdk(tail.subarray(sectorBytes)) &&
    tail.subarray(2 * sectorBytes, 2 * sectorBytes + 16).every((byte) => byte === 0);
  if (!tail || !whole)
    throw file.truncated('the footer and end marker of a streamOptimized VMDK', file.sizeBytes + sectorBytes);
  return tail.subarray(sectorBytes, 2 * sectorBytes);
}

function grainTables(file: ImageFile, head: Buffer): GrainTables {
  const capacitySectors = u64le(head, 12);
  const grainSectors = u64le(head, 20);
  const tableEntries = head.readUInt32LE(44);
  const flags = head.readUInt32LE(8);
  const tables: GrainTables = {
    capacitySectors,
    grainSectors,
    tableEntries,
    directorySector: u64le(head, 56),
    directoryEntries: Math.ceil(capacitySectors / (grainSectors * tableEntries)),
    compressed: head.readUInt16LE(77) === 1,
    markers: (flags & flag.markers) !== 0,
    zeroGrain: (flags & flag.zeroGrain) !== 0,
  };
  checkShape(file, tables);
  return tables;
}

function checkShape(file: ImageFile, tables: GrainTables): void {
  const { capacitySectors, grainSectors, tableEntries, directoryEntries } = tables;
  if (capacitySectors === 0)
    throw file.unsupported(
      'describes no data of its own',
      'Give the descriptor (.vmdk) that names this file.',
    );
  if (grainSectors < 1 || grainSectors > maxGrainSectors || (grainSectors & (grainSectors - 1)) !== 0)
    throw file.corrupt(`has grains of ${grainSectors} sectors`);
  if (tableEntries < 1 || (tableEntries > 512 && tableEntries !== 4096))
    throw file.corrupt(`has grain tables of ${tableEntries} entries`);
  if (
    directoryEntries > maxDirectoryEntries ||
    directoryEntries * tableEntries * grainSectors < capacitySectors
  )
    throw file.corrupt(`has a grain directory of ${directoryEntries} entries`);
}

async function walkGrains(file: ImageFile, tables: GrainTables): Promise<void> {
  let lastGrain = 0;
  const noteTable = (entries: Buffer, firstSector: number) => {
    for (let at = 0, sector = firstSector; at < entries.length; at += 4, sector += tables.grainSectors) {
      const grain = entries.readUInt32LE(at);
      const left = tables.capacitySectors - sector;
      if (grain === 0 || (grain === 1 && tables.zeroGrain) || left <= 0) continue;
      const length = tables.compressed ? 1 : Math.min(tables.grainSectors, left);
      file.requireWithin(grain * sectorBytes, length * sectorBytes, 'a grain');
      lastGrain = Math.max(lastGrain, grain);
    }
  };
  await file.readTable(
    {
      offset: tables.directorySector * sectorBytes,
      entries: tables.directoryEntries,
      entryBytes: 4,
      what: 'its grain directory',
    },
    async (directory, first) => {
      for (let i = 0; i < directory.length / 4; i++) {
        const table = directory.readUInt32LE(i * 4);
        if (table === 0) continue;
        const firstSector = (first + i) * tables.tableEntries * tables.grainSectors;
        await file.readTable(
          { offset: table * sectorBytes, entries: tables.tableEntries, entryBytes: 4, what: 'a grain table' },
          (entries) => noteTable(entries, firstSector),
        );
      }
    },
  );
  if (lastGrain > 0 && tables.compressed && tables.markers) await requireLastGrain(file, lastGrain);
}

/** A stream without a footer (QEMU writes those) is whole when its last compressed grain is. */
async function requireLastGrain(file: ImageFile, sector: number): Promise<void> {
  const marker = await file.read(sector * sectorBytes, 12, 'the last grain');
  file.requireWithin(sector * sectorBytes + 12, marker.readUInt32LE(8), 'the last grain');
}
