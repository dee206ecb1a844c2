import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { extract, type Extracted } from '../../../activities/archive/extract.ts';
import { archiveKindOf } from '../../../activities/archive/kinds.ts';
import { ArchiveBudget, defaultLimits } from '../../../activities/archive/limits.ts';
import { listTar } from '../../../activities/archive/tar-index.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import type { HostileCase } from './hostile-case.ts';
import { hostileHeaders } from './hostile-headers.ts';
import { hostileNames } from './hostile-names.ts';
import { hostileSparse } from './hostile-sparse.ts';
import { hostileStreams } from './hostile-streams.ts';
import { hostileZips } from './hostile-zips.ts';

const cases = [...hostileNames, ...hostileHeaders, ...hostileSparse, ...hostileStreams, ...hostileZips];

/** Nothing is nested, and the archive is one: looking into it must come to the same. */
const isPlainTar = ({ title }: HostileCase) => !/^(zip|nested|nothing|bomb|gzip|zstd|xz|bzip2)/.test(title);

describe('a hostile archive', () => {
  it('comes in at least 120 kinds, each told by its title', () => {
    expect(new Set(cases.map(({ title }) => title)).size).toBe(cases.length);
    expect(cases.length).toBeGreaterThan(250);
  });

  it.each(cases)('$title', async (hostileCase) => {
    const { archive, outcome } = await extracted(hostileCase.bytes, hostileCase);
    judge(hostileCase, outcome);
    await expectNothingElse(archive, hostileCase);
  });

  it.each(cases.filter(isPlainTar))('compressed, as a stream: $title', async (hostileCase) => {
    const { archive, outcome } = await extracted(gzipSync(hostileCase.bytes), hostileCase);
    const { refused, refusedAsStream = refused } = hostileCase;
    judge({ ...hostileCase, refused: refusedAsStream }, outcome);
    await expectNothingElse(archive, { ...hostileCase, refused: refusedAsStream });
  });

  it.each(cases.filter(isPlainTar))(
    'only looked into: $title',
    async ({ bytes, limits, refused, skipped }) => {
      const { path } = await archiveOf(bytes);
      const budget = new ArchiveBudget(path, bytes.length, { ...defaultLimits, ...limits });
      const index = await listTar(path, budget, testIo().signal).catch((error: unknown) => error);
      if (refused === undefined)
        expect(index).toMatchObject({ skipped: (skipped ?? []).map((name) => ({ name })) });
      else expectRefusal(index, refused);
    },
  );
});

async function archiveOf(bytes: Buffer): Promise<{ directory: string; path: string }> {
  const directory = scratchDirectory();
  const path = join(directory, 'archive');
  await writeFile(path, bytes);
  return { directory, path };
}

interface Outcome {
  result: Extracted | undefined;
  error: unknown;
}

/** Extracts everything, archives inside too. */
async function extracted(
  bytes: Buffer,
  { limits }: HostileCase,
): Promise<{ archive: { directory: string; path: string }; outcome: Outcome }> {
  const archive = await archiveOf(bytes);
  const outcome: Outcome = { result: undefined, error: undefined };
  try {
    outcome.result = await extract({
      path: archive.path,
      directory: join(archive.directory, 'out'),
      limits: { ...defaultLimits, ...limits },
      purpose: 'test',
      want: ({ kind }) => (kind.container === 'none' && kind.compression === 'none' ? 'write' : 'unpack'),
      io: testIo(),
    });
  } catch (error) {
    outcome.error = error;
  }
  return { archive, outcome };
}

function judge({ refused, written, skipped }: HostileCase, { result, error }: Outcome): void {
  if (refused !== undefined) {
    expectRefusal(error, refused);
    return;
  }
  expect(error).toBeUndefined();
  expect(result?.members.flatMap(({ name, file }) => (file ? [name] : []))).toEqual(written);
  expect(result?.skipped.map(({ name }) => name)).toEqual(skipped ?? []);
}

function expectRefusal(error: unknown, [code, found]: NonNullable<HostileCase['refused']>): void {
  expect(error).toBeInstanceOf(LonghaulError);
  expect(error).toMatchObject({ code, found: expect.stringMatching(found) as string });
}

/** Files for their owner only, below the directory; of a refused archive the record alone. */
async function expectNothingElse(
  { directory, path }: { directory: string; path: string },
  { refused, written = [] }: HostileCase,
): Promise<void> {
  const out = join(directory, 'out');
  expect(await readdir(directory)).toEqual(['archive', 'out']);
  const record = await readFile(join(out, 'record'), 'utf8');
  if (refused !== undefined) {
    expect(await readdir(out)).toEqual(['record']);
    expect(record).toContain(`"refused":{"code":"${refused[0]}"`);
    return;
  }
  expect(record).toContain('"whole":true');
  const entries = await readdir(join(out, 'files'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  expect(files.map(({ parentPath, name }) => join(parentPath, name)).sort()).toEqual(
    written.map((name) => join(out, 'files', name)).sort(),
  );
  for (const entry of entries) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    expect(mode & 0o7777).toBe(entry.isDirectory() ? 0o700 : 0o600);
  }
  expect(await archiveKindOf(path, testIo().signal)).toBeDefined();
}
