import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { probeImage } from '../../../../activities/image/formats/probe.ts';
import { scratchDirectory } from '../../../support/scratch.ts';

async function file(
  content: string | Buffer,
  at = 0,
  name = 'disk.img',
  sizeBytes = 1024 * 1024,
): Promise<string> {
  const path = join(scratchDirectory(), name);
  await writeFile(path, Buffer.concat([Buffer.alloc(at), Buffer.from(content as string, 'latin1')]));
  await truncate(path, sizeBytes);
  return path;
}

describe('recognising an image', () => {
  it('takes a file without any header for a raw disk', async () => {
    expect(await probeImage(await file(''))).toEqual({
      format: 'raw',
      virtualSizeBytes: 1024 * 1024,
      extents: [],
    });
  });

  it.each([
    ['a gzip archive', '\x1f\x8b\x08', 0],
    ['an xz archive', '\xfd7zXZ\0', 0],
    ['a zstd archive', '\x28\xb5\x2f\xfd', 0],
    ['a bzip2 archive', 'BZh9', 0],
    ['a zip archive', 'PK\x03\x04', 0],
    ['a 7z archive', '7z\xbc\xaf\x27\x1c', 0],
    ['a tar archive (perhaps an OVA)', 'ustar', 257],
    ['a QED image', 'QED\0', 0],
    ['a Parallels image', 'WithouFreSpacExt', 0],
    ['an ISO 9660 file system (a CD image)', 'CD001', 0x8001],
    ['an Apple disk image (dmg)', 'koly', 1024 * 1024 - 512],
    ['a qcow image of version 1', 'QFI\xfb\0\0\0\x01', 0],
  ])('refuses %s and says what to do', async (what, magic, at) => {
    const error = await probeImage(await file(magic, at)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'IMAGE_FORMAT_UNSUPPORTED' });
    expect((error as { found: string }).found).toContain(what);
    expect((error as { remedy: string }).remedy).not.toBe('');
  });

  it('takes any of them for a raw disk when told to', async () => {
    expect(await probeImage(await file('PK\x03\x04'), 'raw')).toMatchObject({ format: 'raw' });
  });

  it.each(['disk.vhd', 'disk.VMDK', 'disk.qcow2'])('takes %s without a header for cut off', async (name) => {
    await expect(probeImage(await file('', 0, name))).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
  });

  it('takes a raw disk that is no whole number of sectors for cut off', async () => {
    await expect(probeImage(await file('', 0, 'disk.img', 1000))).rejects.toMatchObject({
      code: 'IMAGE_TRUNCATED',
    });
    await expect(probeImage(await file('', 0, 'disk.img', 0))).rejects.toMatchObject({
      code: 'IMAGE_TRUNCATED',
    });
  });

  it('does not take a raw disk for a VHD because the last sector begins with its word', async () => {
    expect(await probeImage(await file('conectix', 1024 * 1024 - 512))).toMatchObject({ format: 'raw' });
  });

  it('refuses a stated format that the content contradicts', async () => {
    await expect(probeImage(await file(''), 'vhdx')).rejects.toMatchObject({ code: 'IMAGE_CORRUPT' });
  });
});
