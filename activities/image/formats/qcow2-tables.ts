import type { ImageFile } from './image-file.ts';

interface Qcow2Shape {
  l1: { offset: number; entries: number };
  clusterBits: number;
  extendedL2: boolean;
  virtualSizeBytes: number;
  /** Data clusters lie in an external file; only the tables are in this one. */
  dataElsewhere: boolean;
}

const high = 2 ** 32;

/**
 * Walks the L1 and L2 tables and returns the end of the last data cluster. QEMU reads clusters past the end
 * of a file as zeros without a word, so this is where a cut-off qcow2 is noticed.
 *
 * @throws LonghaulError IMAGE_TRUNCATED for a table or cluster past the end of the file, IMAGE_CORRUPT for a
 *   table that is not aligned to clusters.
 */
export async function qcow2DataEnd(file: ImageFile, shape: Qcow2Shape): Promise<number> {
  const clusterBytes = 2 ** shape.clusterBits;
  const entryBytes = shape.extendedL2 ? 16 : 8;
  const l2Entries = clusterBytes / entryBytes;
  let endBytes = 0;
  await file.readTable({ ...shape.l1, entryBytes: 8, what: 'its L1 table' }, async (piece, firstL1) => {
    for (let i = 0; i < piece.length / 8; i++) {
      const l2Offset = clusterOffset(piece, i * 8);
      if (l2Offset === 0) continue;
      if (l2Offset % clusterBytes !== 0) throw file.corrupt(`has an L2 table at the odd place ${l2Offset}`);
      const guestOffset = (firstL1 + i) * l2Entries * clusterBytes;
      await file.readTable(
        { offset: l2Offset, entries: l2Entries, entryBytes, what: 'an L2 table' },
        (entries, firstL2) => {
          const left = shape.virtualSizeBytes - guestOffset - firstL2 * clusterBytes;
          const end = endOfClusters(entries, entryBytes, shape.clusterBits, left);
          if (end > file.sizeBytes && !shape.dataElsewhere) throw file.truncated('a data cluster', end);
          endBytes = Math.max(endBytes, end);
        },
      );
    }
  });
  return endBytes;
}

/** Bits 9 to 55 of a table entry. */
function clusterOffset(entries: Buffer, at: number): number {
  const low = entries.readUInt32BE(at + 4);
  return (entries.readUInt32BE(at) & 0x00ffffff) * high + low - (low % 512);
}

function endOfClusters(entries: Buffer, entryBytes: number, clusterBits: number, left: number): number {
  const clusterBytes = 2 ** clusterBits;
  let end = 0;
  for (let at = 0, guest = 0; at < entries.length && guest < left; at += entryBytes, guest += clusterBytes) {
    const top = entries.readUInt32BE(at);
    if ((top & 0x40000000) !== 0) {
      end = Math.max(end, endOfCompressed(top, entries.readUInt32BE(at + 4), clusterBits));
    } else {
      const offset = clusterOffset(entries, at);
      if (offset !== 0) end = Math.max(end, offset + Math.min(clusterBytes, left - guest));
    }
  }
  return end;
}

/**
 * A compressed cluster's descriptor counts the sectors it touches; its last one may be cut by the end of the
 * file, so that only its first byte is certain to be there.
 */
function endOfCompressed(top: number, low: number, clusterBits: number): number {
  const offsetBits = 62 - (clusterBits - 8) - 32;
  const sectors = (top & 0x3fffffff) >>> offsetBits;
  const offset = (top & (2 ** offsetBits - 1)) * high + low;
  return sectors === 0 ? offset + 1 : offset - (offset % 512) + sectors * 512 + 1;
}
