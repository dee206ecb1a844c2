import { copyFile, mkdir, mkdtemp, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../contracts/errors.ts';
import { blockdevOf, pseudoFileName } from '../../../activities/image/blockdev.ts';
import { resolveChain } from '../../../activities/image/chain.ts';
import { probeImage } from '../../../activities/image/formats/probe.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { makeDisk, qemuImg, sha256, variants } from './variants.ts';

/** Offsets to cut a file at: the header, its surroundings, the middle, and just before the end. */
function cuts(sizeBytes: number): number[] {
  const offsets = [0, 1, 511, 512, 1024, 65536, sizeBytes >> 2, sizeBytes >> 1, sizeBytes - 65537];
  return [...offsets, sizeBytes - 1024, sizeBytes - 513, sizeBytes - 512, sizeBytes - 1].filter(
    (offset) => offset >= 0 && offset < sizeBytes,
  );
}

async function copyDirectory(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}

/** A raw disk that was cut between sectors is a smaller disk: nothing in it says otherwise. */
const withHeaders = variants.filter(({ name }) => name !== 'raw');

describe.each(withHeaders)('a damaged $name image', (variant) => {
  let directory: string;
  let whole: string;
  let expected: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'longhaul-test-'));
    whole = join(directory, 'whole');
    await mkdir(whole);
    await makeDisk(join(directory, 'raw.img'));
    await variant.make(whole, join(directory, 'raw.img'));
    expected = await sha256(join(directory, 'raw.img'));
    return async () => rm(directory, { recursive: true });
  });

  it('that was cut off anywhere is refused, or lost nothing', async () => {
    // A raw parent that is too short cannot be told from one under an overlay that was grown.
    const rawParent = variant.name === 'qcow2 on raw' ? 'base.img' : undefined;
    for (const name of await readdir(whole)) {
      if (name === rawParent) continue;
      const copy = join(directory, 'cut');
      await copyDirectory(whole, copy);
      for (const offset of cuts((await stat(join(whole, name))).size).reverse()) {
        await truncate(join(copy, name), offset);
        const image = await resolveChain(join(copy, variant.top)).catch(expectRefusal);
        if (!image) continue;
        const result = join(directory, 'cut.raw');
        qemuImg('convert', '-O', 'raw', pseudoFileName(blockdevOf(image)), result);
        expect(await sha256(result), `${name} cut at ${offset}`).toBe(expected);
      }
    }
  });

  it('with random bytes in its header is refused or read, and never crashes us', async () => {
    const copy = join(directory, 'noise');
    await copyDirectory(whole, copy);
    const path = join(copy, variant.top);
    const { size } = await stat(path);
    const file = await open(path, 'r+');
    const places = [0, 512, 65536, 196608, Math.max(size - 1536, 0), Math.max(size - 512, 0)];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places.filter((place) => place < size)),
        fc.nat(511),
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        async (place, within, noise) => {
          const at = Math.min(place + within, size - noise.length);
          const before = Buffer.alloc(noise.length);
          await file.read(before, 0, noise.length, at);
          await file.write(noise, 0, noise.length, at);
          try {
            await probeImage(path).catch(expectRefusal);
          } finally {
            await file.write(before, 0, before.length, at);
          }
        },
      ),
      { numRuns: 80 },
    );
    await file.close();
  });
});

describe('a file of random bytes behind a magic', () => {
  const magics = [
    'QFI\xfb\0\0\0\x03',
    'KDMV\x01\0\0\0',
    'COWD',
    'vhdxfile',
    'conectix',
    '# Disk DescriptorFile\nversion=1\nCID=1\n',
  ];

  it.each(magics)('%j never gives anything but an error of ours', async (magic) => {
    const path = join(scratchDirectory(), 'noise.img');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 0, maxLength: 4096 }), async (noise) => {
        await writeFile(path, Buffer.concat([Buffer.from(magic, 'latin1'), noise]));
        await probeImage(path).catch(expectRefusal);
      }),
      { numRuns: 200 },
    );
  });
});

function expectRefusal(error: unknown): undefined {
  expect(error).toBeInstanceOf(LonghaulError);
  expect(['TOOL_KILLED', 'TOOL_TIMEOUT', 'INTERNAL']).not.toContain((error as LonghaulError).code);
  return undefined;
}
