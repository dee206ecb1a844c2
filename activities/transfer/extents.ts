import { createHash } from 'node:crypto';

/** A run of bytes of a disk. What lies between the extents of a disk reads as zeros and is not transferred. */
export interface Extent {
  /** In bytes from the start of the disk. */
  offset: number;
  length: number;
}

export const bytesIn = (extents: readonly Extent[]): number =>
  extents.reduce((sum, { length }) => sum + length, 0);

/**
 * Cuts extents at multiples of `chunkBytes`, so that a disk is cut the same way every time.
 *
 * @throws RangeError for extents that are empty, out of order, overlap, or leave the disk.
 */
export function chunksOf(extents: readonly Extent[], sizeBytes: number, chunkBytes: number): Extent[] {
  const chunks: Extent[] = [];
  let reached = 0;
  for (const { offset, length } of extents) {
    const end = offset + length;
    if (!Number.isSafeInteger(end) || offset < reached || length <= 0 || end > sizeBytes)
      throw new RangeError(`no extent of a disk of ${sizeBytes} bytes: ${length} bytes at ${offset}`);
    for (let at = offset; at < end;) {
      const cut = Math.min(end, (Math.floor(at / chunkBytes) + 1) * chunkBytes);
      chunks.push({ offset: at, length: cut - at });
      at = cut;
    }
    reached = end;
  }
  return chunks;
}

/** SHA-256 of the list, in hexadecimal: tells whether a journal speaks of the same chunks. */
export function extentsDigest(extents: readonly Extent[]): string {
  const hash = createHash('sha256');
  for (const { offset, length } of extents) hash.update(`${offset} ${length}\n`);
  return hash.digest('hex');
}
