import { u64le, type ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';

const signature = 0xbeda107f;
const types = { dynamic: 1, static: 2 } as const;
const blockBytes = 1024 * 1024;
/** Block map entries from here on mean "not allocated" and "zero". */
const firstSpecialEntry = 0xfffffffe;

export const isVdi = (head: Buffer): boolean => head.length >= 0x44 && head.readUInt32LE(0x40) === signature;

/** Reads a VirtualBox disk image, version 1.1, dynamic or static; QEMU block/vdi.c for the fields. */
export async function parseVdi(file: ImageFile): Promise<Layer> {
  const head = await file.read(0, 512, 'the VDI header');
  if (!isVdi(head)) throw file.corrupt('is not a VDI image');
  const version = head.readUInt32LE(0x44);
  if (version !== 0x00010001)
    throw file.unsupported(
      `is a VDI image of version ${version >>> 16}.${version & 0xffff}`,
      'Clone the disk with a current VirtualBox (VBoxManage clonemedium) and migrate the clone.',
    );
  const type = head.readUInt32LE(0x4c);
  const hasParent = !head.subarray(0x1b8, 0x1d8).every((byte) => byte === 0);
  if ((type !== types.dynamic && type !== types.static) || hasParent)
    throw file.unsupported(
      'is a VDI snapshot or of another kind that holds only differences',
      'Merge the snapshots in VirtualBox, or clone the disk (VBoxManage clonemedium), and migrate the clone.',
    );

  const virtualSizeBytes = u64le(head, 0x170);
  const blocks = head.readUInt32LE(0x180);
  const mapOffset = head.readUInt32LE(0x154);
  const dataOffset = head.readUInt32LE(0x158);
  if (head.readUInt32LE(0x168) !== 512 || head.readUInt32LE(0x178) !== blockBytes)
    throw file.unsupported(
      'has sectors or blocks of an unusual size',
      'Clone the disk in VirtualBox (VBoxManage clonemedium) and migrate the clone.',
    );
  if (mapOffset % 512 !== 0 || dataOffset % 512 !== 0) throw file.corrupt('has misplaced tables');
  if (blocks < Math.ceil(virtualSizeBytes / blockBytes))
    throw file.corrupt(`describes ${blocks} blocks, too few for ${virtualSizeBytes} bytes`);

  await file.readTable(
    { offset: mapOffset, entries: blocks, entryBytes: 4, what: 'its block map' },
    (piece, first) => {
      for (let i = 0; i < piece.length / 4; i++) {
        const entry = piece.readUInt32LE(i * 4);
        const left = virtualSizeBytes - (first + i) * blockBytes;
        if (entry >= firstSpecialEntry || left <= 0) continue;
        file.requireWithin(dataOffset + entry * blockBytes, Math.min(blockBytes, left), 'a data block');
      }
    },
  );
  return { format: 'vdi', virtualSizeBytes, extents: [] };
}
