import type { ImageNode } from '../../contracts/values.ts';
import { maxVpcBytes } from './formats/vpc.ts';

/** A node of QEMU's block graph as `-blockdev` and `json:` take it; `null` backing means none, whatever the header says. */
export interface Blockdev {
  driver: string;
  [option: string]: Blockdev | string | number | boolean | null | undefined;
}

const protocol = (path: string): Blockdev => ({ driver: 'file', filename: path });

const sectorBytes = 512;

/** The bytes a format driver reads. Its raw driver takes windows of whole sectors, and pads the last one itself. */
function bytesOf({ path, window }: ImageNode): Blockdev {
  if (window === undefined) return protocol(path);
  const size = Math.ceil(window.sizeBytes / sectorBytes) * sectorBytes;
  return { driver: 'raw', offset: window.offset, size, file: protocol(path) };
}

/**
 * The block graph of a resolved image. The driver is stated at every level and backing files are given
 * outright, so QEMU neither probes a format nor follows a name in a header. The one exception is the
 * extent names in a VMDK descriptor, which its driver always opens itself: chain.ts has checked that each
 * is a regular file in the source's directory, and QEMU joins them to an absolute directory, so that no
 * name can select another protocol.
 */
export function blockdevOf(image: ImageNode, backing?: Blockdev): Blockdev {
  const below = backing ?? (image.backing ? blockdevOf(image.backing) : null);
  return nodeOf(image, below);
}

/** One layer without its parents; `qemu-img info` opens no backing files and takes no other form. */
export const layerAlone = (image: ImageNode): Blockdev => nodeOf(image, null);

function nodeOf(image: ImageNode, below: Blockdev | null): Blockdev {
  const file = bytesOf(image);
  switch (image.format) {
    case 'qcow2': {
      const [dataFile] = image.extents;
      const external = dataFile === undefined ? undefined : protocol(dataFile);
      return { driver: 'qcow2', file, 'data-file': external, backing: below };
    }
    case 'vmdk':
      return { driver: 'vmdk', file, backing: below };
    case 'vpc':
      // The driver stops at 2040 GiB; larger VHDs are always fixed, that is raw with a footer.
      return image.virtualSizeBytes > maxVpcBytes
        ? { driver: 'raw', file, offset: 0, size: image.virtualSizeBytes }
        : { driver: 'vpc', file, force_size_calc: 'current_size' };
    case 'raw':
    case 'vhdx':
    case 'vdi':
      return { driver: image.format, file };
  }
}

/** A block graph as a file name for qemu-img and for qcow2 headers. */
export const pseudoFileName = (node: Blockdev): string => `json:${JSON.stringify(node)}`;

/** A plain file with a stated format and nothing below it, for example a finished target. */
export const plainFile = (path: string, format: 'qcow2' | 'raw'): Blockdev =>
  format === 'qcow2'
    ? { driver: 'qcow2', file: protocol(path), backing: null }
    : { driver: 'raw', file: protocol(path) };

/** An overlay made by overlay.ts, on top of its source chain. */
export const overlayOn = (overlayPath: string, image: ImageNode): Blockdev => ({
  driver: 'qcow2',
  file: protocol(overlayPath),
  backing: blockdevOf(image),
});
