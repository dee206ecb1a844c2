/**
 * What the first sectors of a disk say: MBR and GPT, UEFI specification chapter 5. Read by ourselves from one
 * block, because every question to the appliance about partitions costs a quarter of a second under emulation.
 */

export interface PartitionEntry {
  number: number;
  /** GPT type GUID in upper case, or the MBR type as `0x83`. */
  type: string;
  /** As the kernel and fstab(5) spell PARTUUID, lower case. */
  partUuid: string;
}

export interface PartitionTable {
  kind: 'gpt' | 'mbr' | 'none';
  /**
   * There is something a BIOS would run. On GPT that takes a partition for it too: other code in the protective
   * MBR is left over, or says that there is nothing to boot.
   */
  hasBootCode: boolean;
  /** Nothing but zeros in the part that was read. */
  blank: boolean;
  /** Primary partitions only for MBR. */
  partitions: PartitionEntry[];
  /** There are partitions that are not in the list: logical ones of MBR, or those of a table with odd entries. */
  hasMore: boolean;
  /** A primary partition of MBR is marked as the one to boot from. */
  active: boolean;
}

export const extendedBootLoader = 'BC13C2FF-59E6-4262-A352-B275FD6F7172';
export const efiSystemPartition = ['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', '0xef'];

const biosBoot = '21686148-6449-6E6F-744E-656564454649';
/** UEFI specification 5.3.3: bit 2 of a partition's attributes. */
const attributesAt = 48;
const legacyBootable = 0x4;

const extended = ['0x05', '0x0f', '0x85'];
/** Extended, GPT protection, BIOS boot, PReP and Microsoft's reserved partition: nothing is mounted from them. */
const withoutFileSystem = [
  ...extended,
  '0xee',
  '0x41',
  biosBoot,
  '9E1A2D38-C612-4316-AA26-8B49521E5A8B',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE',
];

export function holdsNoFileSystem(type: string): boolean {
  return withoutFileSystem.includes(type);
}

const bootCodeBytes = 440;
const mbrEntries = 446;
const maxGptEntries = 128;

/**
 * Reads the first 32 KiB of a disk: GPT with 128 entries on 4096-byte sectors. Never throws: a table that makes
 * no sense is `none`.
 */
export function parsePartitionTable(head: Buffer): PartitionTable {
  const hasSignature = head.length >= 512 && head.readUInt16LE(510) === 0xaa55;
  const hasBootCode = hasSignature && head.subarray(0, bootCodeBytes).some((byte) => byte !== 0);
  const blank = head.every((byte) => byte === 0);
  for (const sectorBytes of [512, 4096]) {
    const gpt = readGpt(head, sectorBytes);
    if (gpt === undefined) continue;
    const { partitions } = gpt;
    const bootsByBios = gpt.bios && hasBootCode;
    const hasMore = partitions.length === 0;
    return { kind: 'gpt', hasBootCode: bootsByBios, blank, partitions, hasMore, active: false };
  }
  const partitions = hasSignature ? mbrPartitions(head) : undefined;
  if (partitions !== undefined) {
    // Protection without a GPT behind it: its header is damaged, and the kernel has its own view of that.
    const hasMore = partitions.some(({ type }) => extended.includes(type) || type === '0xee');
    const active = [0, 1, 2, 3].some((index) => head[mbrEntries + index * 16] === 0x80);
    return { kind: 'mbr', hasBootCode, blank, partitions, hasMore, active };
  }
  return { kind: 'none', hasBootCode, blank, partitions: [], hasMore: false, active: false };
}

/** `bios`: there is room for a loader behind the MBR, or a partition that such code is to start. */
function readGpt(
  head: Buffer,
  sectorBytes: number,
): { partitions: PartitionEntry[]; bios: boolean } | undefined {
  const header = head.subarray(sectorBytes, sectorBytes + 92);
  if (header.length < 92 || header.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const start = Number(header.readBigUInt64LE(72)) * sectorBytes;
  const count = Math.min(header.readUInt32LE(80), maxGptEntries);
  const size = header.readUInt32LE(84);
  const partitions: PartitionEntry[] = [];
  let bios = false;
  if (size < 128 || size > 4096) return { partitions, bios };
  for (let index = 0; index < count; index++) {
    const entry = head.subarray(start + index * size, start + index * size + 128);
    if (entry.length < 128) break;
    const type = guid(entry, 0);
    if (/^[0-]+$/.test(type)) continue;
    partitions.push({ number: index + 1, type, partUuid: guid(entry, 16).toLowerCase() });
    bios ||= type === biosBoot || ((entry[attributesAt] ?? 0) & legacyBootable) !== 0;
  }
  return { partitions, bios };
}

/** A FAT boot sector ends in the same signature; its "entries" have impossible status bytes. */
function mbrPartitions(head: Buffer): PartitionEntry[] | undefined {
  const signature = head.readUInt32LE(440).toString(16).padStart(8, '0');
  const partitions: PartitionEntry[] = [];
  for (let index = 0; index < 4; index++) {
    const entry = head.subarray(mbrEntries + index * 16, mbrEntries + index * 16 + 16);
    const [status = 0, , , , type = 0] = entry;
    if (status !== 0 && status !== 0x80) return undefined;
    if (type === 0) continue;
    partitions.push({
      number: index + 1,
      type: `0x${type.toString(16).padStart(2, '0')}`,
      partUuid: `${signature}-${String(index + 1).padStart(2, '0')}`,
    });
  }
  return partitions.length === 0 ? undefined : partitions;
}

/** GUIDs on disk: three little-endian numbers, then bytes in order. */
function guid(bytes: Buffer, at: number): string {
  const part = (start: number, end: number) => bytes.toString('hex', at + start, at + end);
  const swapped = (start: number, end: number) =>
    Buffer.from(bytes.subarray(at + start, at + end))
      .reverse()
      .toString('hex');
  return `${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${part(8, 10)}-${part(10, 16)}`.toUpperCase();
}
