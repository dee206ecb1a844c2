import { createCipheriv } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Extent } from '../../../activities/transfer/extents.ts';

const KiB = 1024;

export interface ScatteredDisk {
  /** Raw and sparse. */
  path: string;
  sizeBytes: number;
  extents: readonly Extent[];
  dataBytes: number;
}

/**
 * Makes a disk of which a tenth is data that does not compress, in extents of 64 KiB to 16 MiB all over it, as a file
 * system leaves them: as many of each power of two, so that the small ones are the most of the requests and the large
 * ones the most of the bytes. The same every time.
 */
export async function scatteredDisk(path: string, sizeBytes: number): Promise<ScatteredDisk> {
  const extents = scattered(sizeBytes, sizeBytes / 10);
  const file = await open(path, 'wx', 0o644);
  try {
    await file.truncate(sizeBytes);
    for (const { offset, length } of extents) {
      const iv = Buffer.alloc(16);
      iv.writeBigUInt64BE(BigInt(offset));
      const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), iv).update(Buffer.alloc(length));
      await file.write(noise, 0, length, offset);
    }
  } finally {
    await file.close();
  }
  return {
    path,
    sizeBytes,
    extents,
    dataBytes: extents.reduce((sum, { length }) => sum + length, 0),
  };
}

/** Extents begin and end where blocks of a file system do. */
const block = 4 * KiB;
const blocks = (bytes: number): number => Math.floor(bytes / block) * block;

function scattered(sizeBytes: number, dataBytes: number): Extent[] {
  const random = numbers(1);
  const lengths: number[] = [];
  for (let left = blocks(dataBytes); left > 0; left -= lengths.at(-1) ?? 0)
    lengths.push(Math.min(left, blocks(64 * KiB * 2 ** (random() * 8))));
  const gap = blocks((sizeBytes - dataBytes) / lengths.length);
  let at = 0;
  return lengths.map((length) => {
    const offset = at + blocks(random() * gap);
    at += length + gap;
    return { offset, length };
  });
}

/** Numbers from 0 up to 1, the same for the same seed: a linear congruential generator; Numerical Recipes, 7.1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
