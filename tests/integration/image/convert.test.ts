import { execFileSync } from 'node:child_process';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageNode } from '../../../contracts/values.ts';
import type { StepProgress } from '../../../contracts/steps.ts';
import { allocatedBytes } from '../../../activities/image/allocation.ts';
import { resolveChain } from '../../../activities/image/chain.ts';
import { convertImage, verifyCopy, type ConvertJob } from '../../../activities/image/convert.ts';
import { createOverlay } from '../../../activities/image/overlay.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { createPartial } from '../../../activities/image/publish.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { testIo } from '../../support/io.ts';
import { dataAt, digests, makeDisk, qemuImg, sha256, variants, writeFixedVhd } from './variants.ts';

const dataBytes = dataAt.reduce((sum, [, length]) => sum + length, 0);

function jobOf(image: ImageNode, path: string, overrides: Partial<ConvertJob> = {}): ConvertJob {
  return {
    source: { image },
    target: { path, format: 'qcow2', compression: 'none' },
    index: 0,
    totalBytes: dataBytes,
    io: testIo(),
    ...overrides,
  };
}

/** A directory with the image in `source/`, and the raw disk it should become. */
async function setUp(make: (directory: string, raw: string) => void | Promise<void>) {
  const directory = scratchDirectory();
  const source = join(directory, 'source');
  const raw = join(directory, 'expected.raw');
  await mkdir(source);
  await makeDisk(raw);
  await make(source, raw);
  const target = join(directory, 'target');
  await createPartial(new WorkDir(directory, { migrationId: 'm', runId: 'r' }), target);
  return { directory, source, raw, target };
}

describe('converting an image', () => {
  it.each(variants)('copies a $name image exactly and leaves it as it was', async (variant) => {
    const { directory, source, raw, target } = await setUp(variant.make);
    const before = await digests(source);
    const image = await resolveChain(join(source, variant.top));
    expect(image.format).toBe(variant.format);
    expect(image.virtualSizeBytes).toBe((await stat(raw)).size);

    await convertImage(jobOf(image, target));
    await verifyCopy(jobOf(image, target));
    const result = join(directory, 'result.raw');
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', target, result);

    expect(await sha256(result)).toBe(await sha256(raw));
    expect(await digests(source)).toEqual(before);
    expect((await stat(target)).mode & 0o777).toBe(0o600);
  });

  it.each(variants)('knows how much data a $name image holds', async (variant) => {
    const { source, raw } = await setUp(variant.make);
    const bytes = await allocatedBytes(await resolveChain(join(source, variant.top)));
    expect(bytes).toBeGreaterThanOrEqual(dataBytes);
    // Formats with large blocks, and those that were preallocated, hold whole blocks.
    const coarse = /vhdx|vhd dynamic|vdi|preallocated/.test(variant.name);
    expect(bytes).toBeLessThanOrEqual(coarse ? (await stat(raw)).size : dataBytes + 1024 * 1024);
  });

  it('writes a raw disk as long as the virtual disk, with holes, without the VHD footer', async () => {
    const fixed = variants.find(({ name }) => name === 'vhd fixed');
    const { source, raw, target } = await setUp((directory, disk) => fixed?.make(directory, disk));
    const image = await resolveChain(join(source, 'disk.vhd'));
    await convertImage(
      jobOf(image, target, { target: { path: target, format: 'raw', compression: 'none' } }),
    );
    expect(await sha256(target)).toBe(await sha256(raw));
    expect((await stat(target)).blocks * 512).toBeLessThan(dataBytes * 1.1);
  });

  it('takes the size of a VHD from its footer where the geometry is smaller', async () => {
    const { directory, target } = await setUp(() => undefined);
    const path = join(directory, 'azure.vhd');
    const { writtenBytes, digest } = await writeFixedVhd(path);
    const image = await resolveChain(path);
    await convertImage(
      jobOf(image, target, { target: { path: target, format: 'raw', compression: 'none' } }),
    );
    expect((await stat(target)).size).toBe(writtenBytes);
    expect(await sha256(target)).toBe(digest);
  });

  it('compresses with zstd when asked', async () => {
    const { raw, target } = await setUp(() => undefined);
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write -P 0x41 12M 8M', raw]);
    const image = await resolveChain(raw);
    const job = jobOf(image, target, { target: { path: target, format: 'qcow2', compression: 'zstd' } });
    await convertImage(job);
    await verifyCopy(job);
    expect(qemuImg('info', target)).toContain('compression type: zstd');
    expect((await stat(target)).size).toBeLessThan(dataBytes + 1024 * 1024);
  });

  it('copies what was written to the overlay, and nothing of it to the source', async () => {
    const snapshot = variants.find(({ name }) => name === 'qcow2 chain');
    const { directory, source, raw, target } = await setUp((dir, disk) => snapshot?.make(dir, disk));
    const before = await digests(source);
    const image = await resolveChain(join(source, 'top.qcow2'));
    const overlay = join(directory, 'overlay.qcow2');
    await createOverlay(overlay, image);
    await createOverlay(overlay, image);
    for (const [path, format] of [
      [overlay, 'qcow2'],
      [raw, 'raw'],
    ] as const)
      execFileSync('qemu-io', ['-f', format, '-c', 'write -P 0x77 1M 64k', path]);

    await convertImage(jobOf(image, target, { source: { image, overlay } }));
    const result = join(directory, 'result.raw');
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', target, result);
    expect(await sha256(result)).toBe(await sha256(raw));
    expect(await digests(source)).toEqual(before);
    expect((await stat(overlay)).mode & 0o777).toBe(0o600);
  });

  it('makes overlays on chains whose names do not fit into one header', async () => {
    const { directory, source, raw, target } = await setUp(() => undefined);
    const deep = join(source, 'd'.repeat(180));
    await mkdir(deep);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, join(deep, '0.qcow2'));
    for (let level = 1; level < 9; level++) {
      const [top, parent] = [join(deep, `${level}.qcow2`), `${level - 1}.qcow2`];
      qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', parent, top);
      for (const [path, format] of [
        [top, 'qcow2'],
        [raw, 'raw'],
      ] as const)
        execFileSync('qemu-io', ['-f', format, '-c', `write -P ${level} ${level}M 64k`, path]);
    }
    const image = await resolveChain(join(deep, '8.qcow2'));
    const overlay = join(directory, 'overlay.qcow2');
    await createOverlay(overlay, image);
    // Read as libguestfs would: by the overlay's own header.
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', overlay, join(directory, 'by-header.raw'));
    expect(await sha256(join(directory, 'by-header.raw'))).toBe(await sha256(raw));
    await convertImage(jobOf(image, target, { source: { image, overlay } }));
    await verifyCopy(jobOf(image, target, { source: { image, overlay } }));
  });

  it('tells where a copy differs from its source', async () => {
    const { raw, target } = await setUp(() => undefined);
    const image = await resolveChain(raw);
    await convertImage(jobOf(image, target));
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 1 2M 512', target]);
    await expect(verifyCopy(jobOf(image, target))).rejects.toMatchObject({
      code: 'VERIFY_MISMATCH',
      details: { offset: 2 * 1024 * 1024 },
    });
  });

  it('says how far it is in bytes', async () => {
    const { raw, target } = await setUp(() => undefined);
    const seen: StepProgress['disk'][] = [];
    const io = { ...testIo(), report: (_doing: string, disk?: StepProgress['disk']) => void seen.push(disk) };
    await convertImage(jobOf(await resolveChain(raw), target, { io }));
    expect(seen.at(-1)).toMatchObject({ index: 0, doneBytes: dataBytes, totalBytes: dataBytes });
  });

  it('stops when it is cancelled', async () => {
    const { raw, target } = await setUp(() => undefined);
    const image = await resolveChain(raw);
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const io = { ...testIo(controller.signal), report: () => controller.abort(reason) };
    await expect(convertImage(jobOf(image, target, { io }))).rejects.toBe(reason);
  });

  it('copies an empty disk of 10 TiB in seconds', async () => {
    const directory = scratchDirectory();
    const path = join(directory, 'huge.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', path, '10T');
    const image = await resolveChain(path);
    const target = join(directory, 'target');
    await (await open(target, 'wx', 0o600)).close();
    const started = performance.now();
    await convertImage(jobOf(image, target, { totalBytes: await allocatedBytes(image) }));
    expect(performance.now() - started).toBeLessThan(20_000);
    expect((await stat(target)).blocks * 512).toBeLessThan(16 * 1024 * 1024);
  });
});
