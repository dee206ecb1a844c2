import { readFile, rm, writeFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';
import type { Virsh } from '../../host/libvirt.ts';

/**
 * Keeps a picture of a domain's screen as PNG, mode 0600. A picture is a courtesy: a domain that has none to
 * give, or is gone, costs no error.
 *
 * @returns `path`, or undefined without a picture.
 */
export async function keepScreenshot(
  virsh: Virsh,
  uuid: string,
  draft: string,
  path: string,
): Promise<string | undefined> {
  try {
    await virsh.screenshot(uuid, draft);
    const picture = await readFile(draft);
    const png = picture.subarray(0, 8).equals(pngSignature) ? picture : pngOfPpm(picture);
    if (png === undefined) return undefined;
    await rm(path, { force: true });
    await writeFile(path, png, { mode: 0o600, flag: 'wx' });
    return path;
  } catch {
    return undefined;
  } finally {
    await rm(draft, { force: true });
  }
}

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG (RFC 2083) of a binary PPM (ppm(5), P6 with one byte a sample); undefined for anything else. */
export function pngOfPpm(ppm: Buffer): Buffer | undefined {
  const header = /^P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s/.exec(ppm.toString('latin1', 0, 64));
  if (!header) return undefined;
  const [width, height] = [Number(header[1]), Number(header[2])];
  const pixels = ppm.subarray(header[0].length);
  const stride = width * 3;
  if (pixels.length < stride * height || width === 0 || height === 0) return undefined;
  const rows = Buffer.alloc((stride + 1) * height);
  for (let row = 0; row < height; row++)
    pixels.copy(rows, row * (stride + 1) + 1, row * stride, (row + 1) * stride);
  const size = Buffer.alloc(13);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  size.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    pngSignature,
    chunk('IHDR', size),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
