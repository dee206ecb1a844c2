import { open } from 'node:fs/promises';

/** One mirror: RAID 1 with metadata 1.2, as mdadm makes it by default. */
export interface Mirror {
  /** 32 hex digits. */
  uuid: string;
  /** For example `host:0`. */
  name: string;
  /** The members: a disk file and the region in it. */
  members: readonly { disk: string; offsetBytes: number; sizeBytes: number }[];
}

const sectorBytes = 512;
/** Metadata 1.2 lies 4 KiB after the start, the data behind it. */
const superblockSector = 8;
const dataSector = 2048;
/** From here to the end of a member; the same on every member. */
export const mirrorDataOffsetBytes = dataSector * sectorBytes;

const magic = 0xa92b4efc;
const inSync = 0xffff_ffff_ffff_ffffn;
const rolesOffset = 256;

/**
 * Makes regions of disk files members of a mirror that is clean and in sync; what the members hold is the
 * caller's. No array is started: it needs no md in the host's kernel. Layout: struct mdp_superblock_1, md(4).
 */
export async function makeMirror(mirror: Mirror): Promise<void> {
  for (const [index, member] of mirror.members.entries()) {
    const file = await open(member.disk, 'r+');
    const block = superblock(mirror, index);
    await file.write(block, 0, block.length, member.offsetBytes + superblockSector * sectorBytes);
    await file.close();
  }
}

/** A mirror's UUID as mdadm.conf(5) writes it. */
export function mirrorUuid(uuid: string): string {
  return (uuid.match(/.{8}/g) ?? []).join(':');
}

function superblock({ uuid, name, members }: Mirror, index: number): Buffer {
  const sizes = members.map(({ sizeBytes }) => sizeBytes / sectorBytes - dataSector);
  const componentSectors = BigInt(Math.min(...sizes));
  const block = Buffer.alloc(4096);
  block.writeUInt32LE(magic, 0);
  block.writeUInt32LE(1, 4); // major version
  block.write(uuid, 16, 'hex');
  block.write(name, 32, 'latin1');
  block.writeUInt32LE(1_700_000_000, 64); // created, seconds
  block.writeUInt32LE(1, 72); // level
  block.writeBigUInt64LE(componentSectors, 80);
  block.writeUInt32LE(members.length, 92);
  block.writeBigUInt64LE(BigInt(dataSector), 128);
  block.writeBigUInt64LE(BigInt(sizes[index] ?? 0), 136);
  block.writeBigUInt64LE(BigInt(superblockSector), 144);
  block.writeUInt32LE(index, 160);
  block.write(uuid, 168, 'hex'); // of the member: the array's, with its number
  block.writeUInt8(index + 1, 183);
  block.writeUInt32LE(1_700_000_000, 192); // updated
  block.writeBigUInt64LE(17n, 200); // events
  block.writeBigUInt64LE(inSync, 208);
  block.writeUInt32LE(members.length, 220);
  members.forEach((_, member) => block.writeUInt16LE(member, rolesOffset + member * 2));
  block.writeUInt32LE(checksum(block, rolesOffset + members.length * 2), 216);
  return block;
}

/** Sum of the 32-bit words with the carry added, md's calc_sb_1_csum. */
function checksum(block: Buffer, length: number): number {
  let sum = 0n;
  let at = 0;
  for (; at + 4 <= length; at += 4) sum += BigInt(block.readUInt32LE(at));
  if (at < length) sum += BigInt(block.readUInt16LE(at));
  return Number(((sum & 0xffff_ffffn) + (sum >> 32n)) & 0xffff_ffffn);
}
