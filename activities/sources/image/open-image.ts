import type { AcquiredDisk } from '../../../contracts/values.ts';
import { allocatedBytes } from '../../image/allocation.ts';
import { type ChainOptions, resolveChain } from '../../image/chain.ts';
import { filesOf, identify } from '../../image/identity.ts';

/** Opens an image on this host as a disk of the guest. @throws what `resolveChain` throws */
export async function openImage(index: number, path: string, options: ChainOptions): Promise<AcquiredDisk> {
  const image = await resolveChain(path, options);
  return {
    index,
    image,
    virtualSizeBytes: image.virtualSizeBytes,
    allocatedBytes: await allocatedBytes(image, options.signal),
    files: await identify(filesOf(image)),
  };
}
