import { imageError } from './errors.ts';
import type { Enclosure } from './enclosure.ts';
import { ImageFile } from './formats/image-file.ts';
import type { ExtentReference, Layer } from './formats/layer.ts';
import {
  parseCowdExtent,
  parseSeSparseExtent,
  parseSparseExtent,
  type SparseExtent,
} from './formats/vmdk-sparse.ts';

/**
 * Resolves and checks the files besides the image's own that hold its data: VMDK extents, a qcow2 data file.
 *
 * @returns Their resolved paths, in order.
 */
export async function resolveExtents(owner: string, layer: Layer, enclosure: Enclosure): Promise<string[]> {
  const paths: string[] = [];
  for (const extent of layer.extents) {
    const path = await enclosure.resolve(owner, extent.name);
    await ImageFile.with(path, (file) => checkExtent(file, extent));
    paths.push(path);
  }
  const { dataFile } = layer;
  if (dataFile) {
    const path = await enclosure.resolve(owner, dataFile.name);
    await ImageFile.with(path, (file) => {
      file.requireWithin(0, dataFile.endBytes, `the data of ${owner}`);
      return Promise.resolve();
    });
    paths.push(path);
  }
  return paths;
}

async function checkExtent(file: ImageFile, extent: ExtentReference): Promise<void> {
  if (extent.kind === 'flat') {
    file.requireWithin(extent.offsetBytes, extent.sizeBytes, 'its extent');
    return;
  }
  const found = await parse[extent.kind](file);
  if (found.compressed)
    throw file.unsupported(
      'is a compressed extent of a split VMDK',
      'Export the disk as one streamOptimized or monolithicSparse file.',
    );
  if (found.sizeBytes !== extent.sizeBytes)
    throw imageError(
      'IMAGE_CORRUPT',
      file.path,
      `holds ${found.sizeBytes} bytes of disk where its descriptor says ${extent.sizeBytes}`,
    );
}

// VMFSSPARSE and SPARSE are told apart by the file's content, as QEMU does.
const sparseOrCowd = async (file: ImageFile): Promise<SparseExtent> => {
  const head = await file.peek(0, 4);
  return head.toString('latin1') === 'COWD' ? parseCowdExtent(file) : parseSparseExtent(file);
};

const parse: Record<Exclude<ExtentReference['kind'], 'flat'>, (file: ImageFile) => Promise<SparseExtent>> = {
  sparse: sparseOrCowd,
  'vmfs-sparse': sparseOrCowd,
  'se-sparse': parseSeSparseExtent,
};
