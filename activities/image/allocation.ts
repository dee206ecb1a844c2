import type { ImageNode } from '../../contracts/values.ts';
import { blockdevOf, pseudoFileName } from './blockdev.ts';
import { probeImage } from './formats/probe.ts';
import { askQemuImg } from './qemu-img.ts';

/**
 * Bytes the chain holds data for: what a sparse copy of it has to write at most. Reads tables and the file
 * system's map of holes, no data; the cost grows with the number of extents.
 */
export async function allocatedBytes(image: ImageNode, signal?: AbortSignal): Promise<number> {
  // QEMU's VHDX driver says of every block that it holds data; the block table knows better.
  if (image.format === 'vhdx')
    return (await probeImage(image.path, 'vhdx', image.window)).allocatedBytes ?? image.virtualSizeBytes;
  let sum = 0;
  // One extent a line; summed as they come, because a fragmented disk has millions.
  await askQemuImg(['map', '--output=json', pseudoFileName(blockdevOf(image))], {
    virtualSizeBytes: image.virtualSizeBytes,
    onLine: (line, stream) => {
      if (stream === 'stdout') sum += dataBytesOf(line);
    },
    ...(signal ? { signal } : {}),
  });
  return Math.min(sum, image.virtualSizeBytes);
}

/** Bytes of data that one line of `qemu-img map --output=json` speaks of. */
export function dataBytesOf(line: string): number {
  const [, length] = /"length": (\d+)/.exec(line) ?? [];
  const holdsData = line.includes('"data": true') && line.includes('"zero": false');
  return length !== undefined && holdsData ? Number(length) : 0;
}
