import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArchiveBudget } from '../../../activities/archive/limits.ts';
import { listTar } from '../../../activities/archive/tar-index.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { base256, extended, gnuLong, octal, pax, tar, tarFile, tarHeader } from '../../support/tar-bytes.ts';
import { extractAll } from './extracting.ts';

/** Parts of names that mean something to somebody. */
const component = fc.oneof(
  fc.constantFrom('..', '.', '', 'a', 'A', 'disk.raw', 'C:', '\\', '~', 'con', '\0', 'é', '%2e%2e'),
  fc.string({ maxLength: 12 }),
);
const name = fc.array(component, { maxLength: 6 }).map((components) => components.join('/'));
const size = fc.oneof(
  fc.nat({ max: 2000 }),
  fc.constantFrom(octal(0o77777777777, 11), '-1\0', base256(-1n, 0xff), base256(2n ** 60n), '        '),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
);
const fields = fc.record(
  {
    name: name.map((text) => text.slice(0, 30)),
    size,
    type: fc.constantFrom(...Array.from('01234567LKxgSVMNDX\0'), '\xff'),
    magic: fc.constantFrom('ustar', 'gnu', 'v7'),
    prefix: name.map((text) => text.slice(0, 40)),
    linkname: name.map((text) => text.slice(0, 30)),
    raw: fc.dictionary(
      fc.integer({ min: 0, max: 500 }).map(String),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      { maxKeys: 2 },
    ),
  },
  { requiredKeys: [] },
);
const data = fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes));
const sparseKeys = ['major', 'minor', 'name', 'realsize', 'size', 'map', 'numblocks', 'offset', 'numbytes'];
const paxKeys = ['path', 'size', 'linkpath', 'comment', ...sparseKeys.map((key) => `GNU.sparse.${key}`)];
const paxValue = fc.oneof(name, fc.constantFrom('0', '1', '512', '-1', '1e9', '0,512', '99999999999999999'));
const part = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(data, fields).map(([bytes, header]) => tarFile(bytes, header)) },
  {
    weight: 3,
    arbitrary: fc.tuple(data, name).map(([bytes, text]) => tarFile(bytes, { name: text.slice(0, 99) })),
  },
  { weight: 1, arbitrary: fields.map((header) => tarHeader(header)) },
  {
    weight: 2,
    arbitrary: fc.dictionary(fc.constantFrom(...paxKeys), paxValue).map((records) => pax(records)),
  },
  { weight: 1, arbitrary: data.map((bytes) => extended(bytes)) },
  { weight: 1, arbitrary: name.map((text) => gnuLong(text)) },
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(512)) },
);

/** Archives that are nearly right, and then some bytes of them are not. */
const archives = fc
  .tuple(
    fc.array(part, { minLength: 1, maxLength: 6 }),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([parts, flips, ended]) => {
    const bytes = ended ? tar(...parts) : Buffer.concat(parts);
    for (const [at, value] of flips) if (value % 2 === 0) bytes[at % bytes.length] = value;
    return bytes;
  });

const known = /^ARCHIVE_(HOSTILE|DAMAGED|LIMIT|UNSUPPORTED)$/;

describe('any tar header', () => {
  it(
    'is understood or refused, and what is looked into lies inside the archive',
    { timeout: 300_000 },
    async () => {
      const path = join(scratchDirectory(), 'archive');
      await fc.assert(
        fc.asyncProperty(archives, async (bytes) => {
          await writeFile(path, bytes);
          try {
            const { members } = await listTar(path, new ArchiveBudget(path, bytes.length), testIo().signal);
            for (const { name: found, dataOffset, sizeBytes, isSparse } of members) {
              expect(found).not.toMatch(/^\/|(^|\/)\.\.?(\/|$)|\\|\0|^$/);
              if (!isSparse) expect(dataOffset + sizeBytes).toBeLessThanOrEqual(bytes.length);
            }
          } catch (error) {
            if (!(error instanceof LonghaulError)) throw error;
            expect(error.code).toMatch(known);
          }
        }),
        { numRuns: 3000 },
      );
      expect(process.memoryUsage().rss).toBeLessThan(1e9);
    },
  );

  it('is extracted inside the directory or leaves nothing', { timeout: 300_000 }, async () => {
    const scratch = scratchDirectory();
    const path = join(scratch, 'archive');
    let run = 0;
    await fc.assert(
      fc.asyncProperty(archives, async (bytes) => {
        await writeFile(path, bytes);
        run += 1;
        const directory = join(scratch, `out${run}`);
        try {
          await extractAll(path, directory);
        } catch (error) {
          if (!(error instanceof LonghaulError)) throw error;
          expect(error.code).toMatch(known);
          expect(await readdir(directory)).toEqual(['record']);
        }
        expect(await readdir(scratch)).toHaveLength(1 + run);
      }),
      { numRuns: 300 },
    );
  });
});
