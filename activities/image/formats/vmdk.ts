import type { ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';
import {
  isVmdkDescriptor,
  maxDescriptorBytes,
  parseDescriptor,
  type VmdkDescriptor,
} from './vmdk-descriptor.ts';
import { isCowd, isSparseVmdk, parseSparseExtent } from './vmdk-sparse.ts';

/** QEMU looks for the embedded descriptor here, whatever the header says. */
const embeddedDescriptorOffset = 512;

const giveDescriptor = 'Give the descriptor: the small .vmdk text file that names this one.';

export const isVmdk = (head: Buffer): boolean => isSparseVmdk(head) || isCowd(head) || isVmdkDescriptor(head);

/** Reads a VMDK: a sparse file with its descriptor inside, or a descriptor that names extent files. */
export async function parseVmdk(file: ImageFile): Promise<Layer> {
  const head = await file.peek(0, 4096);
  if (isCowd(head)) throw file.unsupported('is an extent of an ESX snapshot', giveDescriptor);
  return isSparseVmdk(head) ? parseMonolithic(file) : parseText(file, head);
}

async function parseMonolithic(file: ImageFile): Promise<Layer> {
  const extent = await parseSparseExtent(file);
  if (extent.descriptor === undefined) throw file.unsupported('is a piece of a split VMDK', giveDescriptor);
  const { offset, length } = extent.descriptor;
  if (offset !== embeddedDescriptorOffset) throw file.corrupt(`has its descriptor at byte ${offset}`);
  const bytes = await file.read(offset, Math.min(length, maxDescriptorBytes), 'the descriptor');
  if (bytes[0] === 0) throw file.unsupported('is a piece of a split VMDK', giveDescriptor);
  const descriptor = parseDescriptor(file, bytes, 'embedded');
  return layerOf(descriptor, extent.sizeBytes, []);
}

async function parseText(file: ImageFile, head: Buffer): Promise<Layer> {
  if (!isVmdkDescriptor(head)) throw file.corrupt('is not a VMDK');
  if (file.sizeBytes > maxDescriptorBytes) throw file.corrupt('has a descriptor of more than 1 MiB');
  const descriptor = parseDescriptor(file, await file.read(0, file.sizeBytes, 'the descriptor'), 'file');
  if (descriptor.extents.length === 0) throw file.truncated('the list of extents', file.sizeBytes + 1);
  const sizeBytes = descriptor.extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
  return layerOf(descriptor, sizeBytes, descriptor.extents);
}

function layerOf(descriptor: VmdkDescriptor, virtualSizeBytes: number, extents: Layer['extents']): Layer {
  const { contentId, parent } = descriptor;
  const backing = parent && { ...parent, format: 'vmdk' as const };
  return { format: 'vmdk', virtualSizeBytes, contentId, extents, ...(backing ? { backing } : {}) };
}
