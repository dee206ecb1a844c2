import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cachedDir } from '../../guests/lib/cache.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const cacheModule = new URL('../../guests/lib/cache.ts', import.meta.url).href;

describe('the cache of built guests', () => {
  it('builds once when two ask at the same time', async () => {
    const path = join(scratchDirectory(), 'guest');
    let builds = 0;
    const ask = () =>
      cachedDir(path, async (dir) => {
        builds += 1;
        await writeFile(join(dir, 'disk'), 'whole');
      });
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([path, path, path]);
    expect(builds).toBe(1);
    expect(await readFile(join(path, 'disk'), 'utf8')).toBe('whole');
  });

  it('leaves nothing under the final name when a build fails', async () => {
    const parent = scratchDirectory();
    const failing = cachedDir(join(parent, 'guest'), () => Promise.reject(new Error('no package')));
    await expect(failing).rejects.toThrow('no package');
    expect((await readdir(parent)).filter((name) => !name.startsWith('.lock-'))).toEqual([]);
  });

  it('builds anew, and clears up, after a builder was killed', async () => {
    const parent = scratchDirectory();
    const path = join(parent, 'guest');
    const script = `
      const { cachedDir } = await import(${JSON.stringify(cacheModule)});
      await cachedDir(${JSON.stringify(path)}, async () => {
        console.log('building');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const builder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(builder.stdout, 'data');
    const ended = once(builder, 'close');
    builder.kill('SIGKILL');
    await ended;

    await cachedDir(path, (dir) => writeFile(join(dir, 'disk'), 'whole'));
    expect((await readdir(parent)).filter((name) => !name.startsWith('.lock-'))).toEqual(['guest']);
  });
});
