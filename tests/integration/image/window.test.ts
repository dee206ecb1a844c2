import { execFileSync } from 'node:child_process';
import { mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allocatedBytes } from '../../../activities/image/allocation.ts';
import { resolveChain } from '../../../activities/image/chain.ts';
import { convertImage, verifyCopy, type ConvertJob } from '../../../activities/image/convert.ts';
import { openDisk } from '../../../activities/image/open-disk.ts';
import { createOverlay } from '../../../activities/image/overlay.ts';
import type { ImageNode, ImageWindow } from '../../../contracts/values.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { makeTar, memberOf } from '../../support/tar-member.ts';
import { makeDisk, qemuImg, sha256, variants } from './variants.ts';

/** Those of one file. */
const single = variants.filter(({ name }) => !/ on |chain|snapshot|flat|twoGb|data file/i.test(name));

/** A tar with a descriptor, the image, and something behind it; beside it the files it was made of. */
async function setUp(top: string, make: (directory: string, raw: string) => void | Promise<void>) {
  const directory = scratchDirectory();
  const source = join(directory, 'source');
  const raw = join(directory, 'expected.raw');
  await mkdir(source);
  await makeDisk(raw);
  await make(source, raw);
  await writeFile(join(source, 'vm.ovf'), 'x'.repeat(1000));
  await writeFile(join(source, 'vm.mf'), 'y'.repeat(1000));
  const ova = join(directory, 'vm.ova');
  makeTar(ova, source, ['vm.ovf', top, 'vm.mf']);
  return { directory, source, raw, ova, window: memberOf(ova, source, top) };
}

function jobOf(image: ImageNode, path: string, more: Partial<ConvertJob['source']> = {}): ConvertJob {
  const target = { path, format: 'raw' as const, compression: 'none' as const };
  return { source: { image, ...more }, target, index: 0, totalBytes: 1024 * 1024, io: testIo() };
}

const streamOptimized = variants.find(({ name }) => name.includes('streamOptimized'));

describe('a disk inside an archive', () => {
  it.each(single)('is copied as from the extracted file: $name', async ({ top, make, format }) => {
    const { directory, source, raw, ova, window } = await setUp(top, make);
    const before = await sha256(ova);
    const inside = await resolveChain(ova, { window });
    const outside = await resolveChain(join(source, top));
    expect(inside).toMatchObject({ format, virtualSizeBytes: outside.virtualSizeBytes, path: ova, window });
    // Holes of a file became zeros in the archive.
    expect(await allocatedBytes(inside)).toBeGreaterThanOrEqual(await allocatedBytes(outside));

    const target = join(directory, 'target.raw');
    await convertImage(jobOf(inside, target));
    await verifyCopy(jobOf(inside, target));
    expect(await sha256(target)).toBe(await sha256(raw));
    expect(await sha256(ova)).toBe(before);
    expect((await readdir(directory)).sort()).toEqual(['expected.raw', 'source', 'target.raw', 'vm.ova']);
  });

  it('carries an overlay whose changes do not reach the archive', async () => {
    const { directory, raw, ova, window } = await setUp('disk.vmdk', streamOptimized?.make ?? fail);
    const before = await sha256(ova);
    const image = await resolveChain(ova, { window });
    const overlay = join(directory, 'overlay.qcow2');
    await createOverlay(overlay, image);
    for (const [path, format] of [
      [overlay, 'qcow2'],
      [raw, 'raw'],
    ] as const)
      execFileSync('qemu-io', ['-f', format, '-c', 'write -P 0x77 1M 64k', path]);
    const target = join(directory, 'target.raw');
    await convertImage(jobOf(image, target, { overlay }));
    expect(await sha256(target)).toBe(await sha256(raw));
    expect(await sha256(ova)).toBe(before);
  });

  it('is known by the identity of the archive', async () => {
    const { ova, window } = await setUp('disk.vmdk', streamOptimized?.make ?? fail);
    const { files } = await openDisk(0, { path: ova, window }, testIo().signal);
    expect(files).toMatchObject([{ path: ova, sizeBytes: (await stat(ova)).size }]);
  });

  const refused = async (code: string, open: () => Promise<unknown>) => {
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    return error as Error;
  };

  it('is refused when the archive ends before it does, by the name of both', async () => {
    const { ova, window } = await setUp('disk.vmdk', streamOptimized?.make ?? fail);
    await truncate(ova, window.offset + window.sizeBytes - 512);
    const error = await refused('IMAGE_TRUNCATED', () => resolveChain(ova, { window }));
    expect(error.message).toContain('vm.ova');
    expect(error.message).toContain('disk.vmdk');
  });

  it.each([
    ['beyond the end', { offset: 1024 ** 4 }],
    ['with a negative offset', { offset: -512 }],
    ['with a size that no file has', { sizeBytes: Number.MAX_SAFE_INTEGER }],
  ])('is refused %s', async (_what, wrong: Partial<ImageWindow>) => {
    const { ova, window } = await setUp('disk.vmdk', streamOptimized?.make ?? fail);
    await refused('IMAGE_TRUNCATED', () => resolveChain(ova, { window: { ...window, ...wrong } }));
  });

  it('is refused when its tables lead out of it into the rest of the archive', async () => {
    const { ova, window } = await setUp('disk.vmdk', streamOptimized?.make ?? fail);
    const error = await refused('IMAGE_TRUNCATED', () =>
      resolveChain(ova, {
        window: { ...window, sizeBytes: window.sizeBytes / 2 - ((window.sizeBytes / 2) % 512) },
      }),
    );
    expect(error.message).toContain('vm.ova: disk.vmdk');
  });

  it.each([
    [
      'a backing file',
      'top.qcow2',
      (d: string) =>
        qemuImg(
          'create',
          '-q',
          '-u',
          '-f',
          'qcow2',
          '-F',
          'raw',
          '-b',
          'base.img',
          join(d, 'top.qcow2'),
          '1M',
        ),
    ],
    [
      'extents',
      'flat.vmdk',
      (d: string) =>
        qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', join(d, 'flat.vmdk'), '1M'),
    ],
  ])('may not name %s, not even one beside the archive', async (_what, top, make) => {
    const { directory, source, ova, window } = await setUp(top, (d) => void make(d));
    await writeFile(join(directory, 'base.img'), Buffer.alloc(1024 * 1024));
    await writeFile(join(directory, 'flat-flat.vmdk'), Buffer.alloc(1024 * 1024));
    expect(await readdir(source)).toContain(top);
    await refused('IMAGE_REFERENCE_OUTSIDE', () => resolveChain(ova, { window }));
  });
});

function fail(): never {
  throw new Error('there is no streamOptimized variant');
}
