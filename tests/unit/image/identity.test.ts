import { rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assertUnchanged, filesOf, identify } from '../../../activities/image/identity.ts';
import { scratchDirectory } from '../../support/scratch.ts';

async function identified() {
  const path = join(scratchDirectory(), 'disk.img');
  await writeFile(path, 'content');
  return { path, files: await identify([path]) };
}

describe('the identity of source files', () => {
  it('holds while nothing changes', async () => {
    const { files } = await identified();
    await expect(assertUnchanged(JSON.parse(JSON.stringify(files)) as typeof files)).resolves.toBeUndefined();
  });

  it('is lost when a file grows', async () => {
    const { path, files } = await identified();
    await writeFile(path, 'content and more');
    await expect(assertUnchanged(files)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  it('is lost when a file is written in place', async () => {
    const { path, files } = await identified();
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    await expect(assertUnchanged(files)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  it('is lost when another file takes its place', async () => {
    const { path, files } = await identified();
    await writeFile(`${path}.new`, 'content');
    await rename(`${path}.new`, path);
    await expect(assertUnchanged(files)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  it('is missed when the file is gone', async () => {
    const { path, files } = await identified();
    await rename(path, `${path}.gone`);
    await expect(assertUnchanged(files)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });

  it('covers extents and parents, each once', () => {
    const base = { path: '/b', format: 'raw' as const, virtualSizeBytes: 512, extents: [] };
    const top = {
      path: '/a',
      format: 'vmdk' as const,
      virtualSizeBytes: 512,
      extents: ['/x', '/y'],
      backing: base,
    };
    expect(filesOf(top)).toEqual(['/a', '/x', '/y', '/b']);
  });
});
