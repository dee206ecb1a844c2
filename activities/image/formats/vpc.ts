import { u64be, type ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';

const footerBytes = 512;
const dynamicHeaderBytes = 1024;
const kinds = { fixed: 2, dynamic: 3, differencing: 4 } as const;
const notAllocated = 0xffffffff;
/** The most a dynamic VHD can describe: 2040 GiB. */
export const maxVpcBytes = 0xff000000 * 512;

export const isVpc = (head: Buffer): boolean => head.subarray(0, 8).toString('latin1') === 'conectix';

/**
 * The footer of a fixed VHD when the file ends in one that is intact and describes what lies before it; a
 * raw disk whose last sector happens to start with the word does not.
 */
export async function isFixedVpc(file: ImageFile): Promise<boolean> {
  const footer = await file.peek(file.sizeBytes - footerBytes, footerBytes);
  return isVpc(footer) && checksumHolds(footer, 64) && footer.readUInt32BE(60) === kinds.fixed;
}

/**
 * Reads a VHD, fixed (footer at the end only) or dynamic (copy of the footer in front); Microsoft "Virtual
 * Hard Disk Image Format Specification" 1.0. The size is the footer's current size: the CHS geometry that
 * QEMU prefers for some creators is smaller than the disk.
 */
export async function parseVpc(file: ImageFile): Promise<Layer> {
  const head = await file.peek(0, footerBytes);
  if (isVpc(head)) return parseDynamic(file, head);
  const footer = await file.peek(file.sizeBytes - footerBytes, footerBytes);
  if (!isVpc(footer)) throw file.corrupt('has no VHD footer; it is cut off or not a VHD');
  const virtualSizeBytes = checkFooter(file, footer, 'footer');
  if (footer.readUInt32BE(60) !== kinds.fixed) throw file.corrupt('lacks its dynamic VHD header');
  if (virtualSizeBytes > file.sizeBytes - footerBytes)
    throw file.truncated('the fixed disk and its footer', virtualSizeBytes + footerBytes);
  return { format: 'vpc', virtualSizeBytes, extents: [] };
}

async function parseDynamic(file: ImageFile, head: Buffer): Promise<Layer> {
  if (head.length < footerBytes) throw file.truncated('the VHD header', footerBytes);
  const virtualSizeBytes = checkFooter(file, head, 'header');
  const kind = head.readUInt32BE(60);
  if (kind === kinds.differencing)
    throw file.unsupported(
      'is a differencing VHD: it holds only changes to a parent',
      'Merge it into its parent on the source (Hyper-V: Merge-VHD) and migrate the merged disk.',
    );
  if (kind !== kinds.dynamic) throw file.corrupt(`is a VHD of the unknown kind ${kind}`);
  if (virtualSizeBytes > maxVpcBytes)
    throw file.corrupt(`claims ${virtualSizeBytes} bytes, more than a VHD can`);
  await requireFooter(file);

  const sparse = await file.read(u64be(head, 16), dynamicHeaderBytes, 'the dynamic VHD header');
  if (sparse.subarray(0, 8).toString('latin1') !== 'cxsparse' || !checksumHolds(sparse, 36))
    throw file.corrupt('has a damaged dynamic VHD header');
  const entries = sparse.readUInt32BE(28);
  const blockBytes = sparse.readUInt32BE(32);
  if (blockBytes < 512 || (blockBytes & (blockBytes - 1)) !== 0)
    throw file.corrupt(`has blocks of ${blockBytes} bytes`);
  if (entries * blockBytes < virtualSizeBytes || entries > maxVpcBytes / blockBytes)
    throw file.corrupt(`has a block table of ${entries} entries for ${virtualSizeBytes} bytes`);

  const bitmapBytes = Math.ceil(blockBytes / 512 / 8 / 512) * 512;
  await file.readTable(
    { offset: u64be(sparse, 16), entries, entryBytes: 4, what: 'its block table' },
    (piece) => {
      for (let at = 0; at < piece.length; at += 4) {
        const sector = piece.readUInt32BE(at);
        if (sector === notAllocated) continue;
        file.requireWithin(sector * 512, bitmapBytes + blockBytes, 'a data block');
      }
    },
  );
  return { format: 'vpc', virtualSizeBytes, extents: [] };
}

/** Every VHD ends in its footer, so one without was cut off. Old Virtual PC wrote 511 bytes of it. */
async function requireFooter(file: ImageFile): Promise<void> {
  const tail = await file.peek(file.sizeBytes - footerBytes, footerBytes);
  if (!isVpc(tail) && !isVpc(tail.subarray(1)))
    throw file.truncated('the footer that ends a VHD', file.sizeBytes + footerBytes);
}

/** Checks a footer or its copy and returns the disk's size in bytes. */
function checkFooter(file: ImageFile, footer: Buffer, what: string): number {
  if (!checksumHolds(footer, 64)) throw file.corrupt(`has a VHD ${what} with a wrong checksum`);
  const version = footer.readUInt32BE(12);
  if (version >>> 16 !== 1)
    throw file.unsupported(`is a VHD of version ${version >>> 16}`, 'Export the disk as VHD 1.0 or VHDX.');
  const sizeBytes = u64be(footer, 48);
  if (sizeBytes % 512 !== 0) throw file.corrupt(`claims the odd size of ${sizeBytes} bytes`);
  return sizeBytes;
}

/** One's complement of the sum of all bytes but the checksum's own four. */
function checksumHolds(block: Buffer, at: number): boolean {
  let sum = 0;
  for (const [index, byte] of block.entries()) if (index < at || index >= at + 4) sum += byte;
  return block.length >= at + 4 && ~sum >>> 0 === block.readUInt32BE(at);
}
