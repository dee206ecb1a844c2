import type { ImageFormat } from '../../contracts/spec.ts';
import type { AcquiredDisk, ImageWindow } from '../../contracts/values.ts';
import { allocatedBytes } from './allocation.ts';
import { resolveChain } from './chain.ts';
import { filesOf, identify } from './identity.ts';

/**
 * A disk image of this host as a disk of a VM: its chain, its sizes, the identity of its files.
 *
 * @param disk `format` is only given to override what the content says; see ChainOptions for the others
 * @throws LonghaulError as `resolveChain` does
 */
export async function openDisk(
  index: number,
  disk: {
    path: string;
    format?: ImageFormat | undefined;
    alone?: boolean;
    window?: ImageWindow | undefined;
  },
  signal: AbortSignal,
): Promise<AcquiredDisk> {
  const { path, format, alone = false, window } = disk;
  const image = await resolveChain(path, {
    statedFormat: format,
    alone,
    window,
    signal,
  });
  return {
    index,
    image,
    virtualSizeBytes: image.virtualSizeBytes,
    allocatedBytes: await allocatedBytes(image, signal),
    files: await identify(filesOf(image)),
  };
}
