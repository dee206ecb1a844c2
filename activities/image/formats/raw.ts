import { imageError } from '../errors.ts';
import type { ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';

const unpack = 'Unpack it first and give the disk image inside.';
const convertIt = 'Convert it with a tool of its maker to raw, VMDK, VHD or VDI first.';

/** Things that are not disks although nothing else here recognises them, by what stands at an offset. */
const strangers: { name: string; at: number; magic: string; remedy: string }[] = [
  { name: 'a gzip archive', at: 0, magic: '\x1f\x8b', remedy: unpack },
  { name: 'an xz archive', at: 0, magic: '\xfd7zXZ\0', remedy: unpack },
  { name: 'a zstd archive', at: 0, magic: '\x28\xb5\x2f\xfd', remedy: unpack },
  { name: 'a bzip2 archive', at: 0, magic: 'BZh', remedy: unpack },
  { name: 'an lz4 archive', at: 0, magic: '\x04\x22\x4d\x18', remedy: unpack },
  { name: 'a zip archive', at: 0, magic: 'PK\x03\x04', remedy: unpack },
  { name: 'a 7z archive', at: 0, magic: '7z\xbc\xaf\x27\x1c', remedy: unpack },
  { name: 'a RAR archive', at: 0, magic: 'Rar!\x1a\x07', remedy: unpack },
  {
    name: 'a tar archive (perhaps an OVA)',
    at: 257,
    magic: 'ustar',
    remedy: 'Name it as the archive it is: `source.kind: archive` with its path.',
  },
  { name: 'a QED image', at: 0, magic: 'QED\0', remedy: 'Convert it to qcow2 with qemu-img first.' },
  { name: 'a Parallels image', at: 0, magic: 'WithoutFreeSpace', remedy: convertIt },
  { name: 'a Parallels image', at: 0, magic: 'WithouFreSpacExt', remedy: convertIt },
  { name: 'a Bochs image', at: 0, magic: 'Bochs Virtual HD Image', remedy: convertIt },
  {
    name: 'a damaged VMDK descriptor',
    at: 0,
    magic: '# Disk Descriptor',
    remedy: 'Copy the descriptor again.',
  },
  {
    name: 'an ISO 9660 file system (a CD image)',
    at: 0x8001,
    magic: 'CD001',
    remedy: 'Give a disk image; if this hybrid really is a disk, state `format: raw`.',
  },
];

/** Endings that promise a format with a header: a file of that name without one was cut off or misnamed. */
const promising = /\.(qcow2?|vmdk|vhdx?|vdi|ova|dmg)$/i;

/**
 * A raw disk is what is left when no header was recognised, so this refuses what is plainly something else.
 * `stated` says that the spec calls the file raw: then only its length is checked.
 */
export async function parseRaw(file: ImageFile, stated: boolean): Promise<Layer> {
  if (!stated) await refuseStrangers(file);
  if (file.sizeBytes === 0) throw imageError('IMAGE_TRUNCATED', file.path, 'is empty');
  if (file.sizeBytes % 512 !== 0)
    throw imageError(
      'IMAGE_TRUNCATED',
      file.path,
      `has ${file.sizeBytes} bytes, which is no whole number of sectors; it is cut off or no disk image`,
    );
  return { format: 'raw', virtualSizeBytes: file.sizeBytes, extents: [] };
}

async function refuseStrangers(file: ImageFile): Promise<void> {
  for (const { name, at, magic, remedy } of strangers) {
    const bytes = await file.peek(at, magic.length);
    if (bytes.toString('latin1') === magic) throw file.unsupported(`is ${name}`, remedy);
  }
  const trailer = await file.peek(file.sizeBytes - 512, 4);
  if (trailer.toString('latin1') === 'koly')
    throw file.unsupported('is an Apple disk image (dmg)', convertIt);
  const ending = promising.exec(file.path)?.[0];
  if (ending !== undefined && file.sizeBytes > 0)
    throw imageError(
      'IMAGE_TRUNCATED',
      file.path,
      `is named ${ending} but has neither header nor footer of that format; it is cut off or misnamed`,
      'Copy it again; for a flat VMDK give the descriptor; if it really is a raw disk, state `format: raw`.',
    );
}
