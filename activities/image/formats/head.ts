import type { ImageFormat } from '../../../contracts/spec.ts';
import { u64be, u64le } from './image-file.ts';
import { isQcow, qcow2NamesOtherFiles } from './qcow2.ts';
import { isVdi } from './vdi.ts';
import { isVhdx } from './vhdx.ts';
import { isVmdk } from './vmdk.ts';
import { isVmdkDescriptor } from './vmdk-descriptor.ts';
import { isSparseVmdk } from './vmdk-sparse.ts';
import { isVpc } from './vpc.ts';

export interface HeadFacts {
  /** What the header says of the disk in the image; absent where it does not say so this early. */
  virtualSizeBytes?: number;
  /** The image is on top of another, or its data lie in other files. */
  namesOtherFiles: boolean;
}

/** The format that the first bytes of a file say; undefined where they say none, as of raw disks and fixed VHDs. */
export function formatOfHead(head: Buffer): Exclude<ImageFormat, 'raw'> | undefined {
  if (isQcow(head)) return 'qcow2';
  if (isVhdx(head)) return 'vhdx';
  if (isVpc(head)) return 'vpc';
  if (isVdi(head)) return 'vdi';
  if (isVmdk(head)) return 'vmdk';
  return undefined;
}

/** The headers that are read here lie in as much. */
const leastBytes = 512;

/**
 * What the first bytes of a file say of the disk in it, when there is no more of it yet. Good for estimates and
 * early refusals: the whole image is checked once it is here.
 */
export function factsOfHead(head: Buffer): HeadFacts {
  const namesOtherFiles = isVmdkDescriptor(head);
  if (namesOtherFiles || head.length < leastBytes) return { namesOtherFiles };
  if (isQcow(head)) return { virtualSizeBytes: u64be(head, 24), namesOtherFiles: qcow2NamesOtherFiles(head) };
  // Of a dynamic VHD the footer stands here, too.
  if (isVpc(head)) return { virtualSizeBytes: u64be(head, 48), namesOtherFiles };
  if (isVdi(head)) return { virtualSizeBytes: u64le(head, 0x170), namesOtherFiles };
  if (isSparseVmdk(head)) return { virtualSizeBytes: u64le(head, 12) * 512, namesOtherFiles };
  return { namesOtherFiles };
}
