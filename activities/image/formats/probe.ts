import type { ImageFormat } from '../../../contracts/spec.ts';
import type { ImageWindow } from '../../../contracts/values.ts';
import { imageError } from '../errors.ts';
import { formatOfHead } from './head.ts';
import { ImageFile } from './image-file.ts';
import type { Layer } from './layer.ts';
import { parseQcow2 } from './qcow2.ts';
import { parseRaw } from './raw.ts';
import { parseVdi } from './vdi.ts';
import { parseVhdx } from './vhdx.ts';
import { parseVmdk } from './vmdk.ts';
import { isFixedVpc, parseVpc } from './vpc.ts';

const parsers: Record<Exclude<ImageFormat, 'raw'>, (file: ImageFile) => Promise<Layer>> = {
  qcow2: parseQcow2,
  vmdk: parseVmdk,
  vpc: parseVpc,
  vhdx: parseVhdx,
  vdi: parseVdi,
};

/**
 * Reads the header of the image at `path`, or in a window of it. The format comes from the content, never from the name;
 * `stated` must agree with the content, but may call anything raw. Touches this one file only.
 *
 * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE, IMAGE_TRUNCATED, IMAGE_CORRUPT,
 *   IMAGE_ENCRYPTED, IMAGE_FORMAT_UNSUPPORTED.
 */
export async function probeImage(path: string, stated?: ImageFormat, window?: ImageWindow): Promise<Layer> {
  return ImageFile.with(path, (file) => parse(file, stated), window);
}

async function parse(file: ImageFile, stated: ImageFormat | undefined): Promise<Layer> {
  if (stated === 'raw') return parseRaw(file, true);
  const format = await recognise(file);
  if (stated !== undefined && format !== stated)
    throw imageError(
      'IMAGE_CORRUPT',
      file.path,
      `should be a ${stated} image, but its content is ${format}`,
      'Correct or leave out `format` in the spec; if the file is named by another image, copy both again.',
    );
  return format === 'raw' ? parseRaw(file, false) : parsers[format](file);
}

async function recognise(file: ImageFile): Promise<ImageFormat> {
  const format = formatOfHead(await file.peek(0, 4096));
  return format ?? ((await isFixedVpc(file)) ? 'vpc' : 'raw');
}
