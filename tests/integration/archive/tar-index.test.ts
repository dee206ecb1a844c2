import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../guests/lib/run.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { padded, pax, tar, tarFile } from '../../support/tar-bytes.ts';

const program = fileURLToPath(new URL('index-process.ts', import.meta.url));

/** A file of which every other byte is there. */
function scattered(name: string, parts: number): Buffer[] {
  const lines = Array.from({ length: parts }, (_, index) => `${2 * index}\n1\n`);
  const map = padded(`${parts}\n${lines.join('')}`);
  const records = { major: '1', minor: '0', name, realsize: String(2 * parts) };
  return [
    pax(Object.fromEntries(Object.entries(records).map(([key, value]) => [`GNU.sparse.${key}`, value]))),
    tarFile(Buffer.concat([map, Buffer.alloc(parts, 'x')])),
  ];
}

describe('looking into a tar', () => {
  it('needs little memory for many sparse files in many parts', async () => {
    const [files, parts] = [900, 1_000];
    const path = join(scratchDirectory(), 'archive');
    const members = Array.from({ length: files }, (_, index) => scattered(`disk${index}`, parts));
    await writeFile(path, tar(...members.flat()));
    const { stdout } = await run(process.execPath, [program, path]);
    const [count, grownBytes] = stdout.split(' ').map(Number);
    expect(count).toBe(files);
    expect((grownBytes ?? 0) / 1e6).toBeGreaterThan(1);
    expect((grownBytes ?? 0) / 1e6).toBeLessThan(40);
  });
});
