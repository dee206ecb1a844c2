import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ExtractJob } from '../../../activities/archive/extract.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { run } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { extractAll, sha256Of, writtenFiles } from './extracting.ts';

const MiB = 1024 ** 2;
const program = fileURLToPath(new URL('extract-process.ts', import.meta.url));

interface Place {
  path: string;
  directory: string;
}

async function archiveOf(bytes: Buffer): Promise<Place> {
  const scratch = scratchDirectory();
  const path = join(scratch, 'archive');
  await writeFile(path, bytes);
  return { path, directory: join(scratch, 'out') };
}

const noise = (bytes: number): Buffer => randomBytes(bytes);
const inFiles = ({ directory }: Place, name: string): string => join(directory, 'files', name);

describe('extraction', () => {
  it('goes on at the member it was in after each of many kills', async () => {
    const members = Array.from({ length: 12 }, (_, index) => noise((index % 3 === 2 ? 24 : 4) * MiB));
    const names = members.map((_, index) => `disk${index}`);
    const place = await archiveOf(
      zstdCompressSync(tar(...members.map((data, index) => tarFile(data, { name: `disk${index}` })))),
    );
    const inodes = new Map<string, bigint>();
    let kills = 0;
    for (; kills < 8; kills += 1) {
      const child = spawn(process.execPath, [program, place.path, place.directory], { stdio: 'ignore' });
      const exit = once(child, 'exit');
      const before = inodes.size;
      // Until it has something new to lose: then it is killed at any moment.
      while ((await recorded(place)).length <= before && child.exitCode === null) await sleep(10);
      await Promise.race([sleep(Math.random() * 100), exit]);
      child.kill('SIGKILL');
      await exit;
      if (child.exitCode === 0) break;
      for (const name of await recorded(place)) {
        const { ino, size } = await stat(inFiles(place, name), { bigint: true });
        // What was whole is not written again.
        expect(inodes.get(name) ?? ino).toBe(ino);
        inodes.set(name, ino);
        expect(size).toBe(BigInt(members[Number(name.slice(4))]?.length ?? 0));
      }
      await expectOnlyWhole(place, names, members);
    }
    expect(kills).toBeGreaterThan(2);
    const { members: extracted } = await extractAll(place.path, place.directory, {
      want: () => 'write',
      digests: ['sha1', 'sha512'],
    });
    expect(extracted.map(({ name }) => name)).toEqual(names);
    for (const [index, { file, stored }] of extracted.entries()) {
      expect(file && (await readFile(file.path)).equals(members[index] ?? Buffer.alloc(0))).toBe(true);
      expect(Object.keys(stored.digests).sort()).toEqual(['sha1', 'sha256', 'sha512']);
    }
    expect(await readdir(place.directory)).toEqual(['files', 'record']);
  });

  it('does not read an archive again that is whole, and does when a file is gone', async () => {
    const place = await archiveOf(
      gzipSync(tar(tarFile('one', { name: 'a' }), tarFile('two', { name: 'b' }))),
    );
    const first = await extractAll(place.path, place.directory);
    let asked = 0;
    const want: ExtractJob['want'] = () => {
      asked += 1;
      return 'write';
    };
    expect(await extractAll(place.path, place.directory, { want })).toEqual(first);
    expect(asked).toBe(0);
    await truncate(inFiles(place, 'b'), 1);
    const again = await extractAll(place.path, place.directory, { want });
    expect(asked).toBe(2);
    expect(writtenFiles(again)).toEqual(writtenFiles(first));
    expect(await readFile(inFiles(place, 'b'), 'utf8')).toBe('two');
  });

  it('begins anew when the archive is another one, or something else is wanted of it', async () => {
    const place = await archiveOf(tar(tarFile('one', { name: 'a' }), tarFile('two', { name: 'b' })));
    await extractAll(place.path, place.directory);
    await extractAll(place.path, place.directory, {
      purpose: 'a',
      want: ({ name }) => (name === 'a' ? 'write' : 'skip'),
    });
    expect(await readdir(join(place.directory, 'files'))).toEqual(['a']);
    await writeFile(place.path, tar(tarFile('three', { name: 'c' })));
    await extractAll(place.path, place.directory);
    expect(await readdir(join(place.directory, 'files'))).toEqual(['c']);
  });

  it('tells digests of a member as it lies in the archive and of the file that came out of it', async () => {
    const data = noise(MiB);
    const packed = gzipSync(data);
    const place = await archiveOf(
      tar(tarFile(packed, { name: 'disk.gz' }), tarFile('only seen', { name: 'note' })),
    );
    const { members } = await extractAll(place.path, place.directory, {
      digests: ['sha1'],
      want: ({ kind, name }) =>
        kind.compression === 'gzip' ? 'unpack' : name === 'note' ? 'check' : 'write',
    });
    await writeFile(`${place.path}.gz`, packed);
    await writeFile(`${place.path}.data`, data);
    const [disk, note] = members;
    expect(disk).toMatchObject({
      name: 'disk.gz',
      stored: { sizeBytes: packed.length, digests: { sha256: await sha256Of(`${place.path}.gz`) } },
      file: { sizeBytes: MiB, sha256: await sha256Of(`${place.path}.data`) },
    });
    const sha1 = await run('sha1sum', [`${place.path}.gz`]);
    expect(sha1.stdout).toContain(disk?.stored.digests.sha1);
    expect(note).toMatchObject({ name: 'note', stored: { sizeBytes: 9 } });
    expect(note).not.toHaveProperty('file');
  });

  it.each(['000', '022', '777'])('gives files 0600 and folders 0700 under umask %s', async (umask) => {
    const place = await archiveOf(
      gzipSync(tar(tarFile('data', { name: 'a/b/c', mode: '0006777\0' }), tarFile('data', { name: 'd' }))),
    );
    await run(process.execPath, [program, place.path, place.directory, umask]);
    const modes = await Promise.all(
      ['.', 'record', 'files', 'files/a', 'files/a/b', 'files/a/b/c', 'files/d'].map(async (name) => {
        const { mode } = await stat(join(place.directory, name));
        return `${name} ${(mode & 0o7777).toString(8)}`;
      }),
    );
    expect(modes).toEqual([
      '. 700',
      'record 600',
      'files 700',
      'files/a 700',
      'files/a/b 700',
      'files/a/b/c 600',
      'files/d 600',
    ]);
  });

  it('takes no times from the archive and writes no zeros', async () => {
    const data = Buffer.concat([Buffer.alloc(8 * MiB + 5_000), noise(MiB), Buffer.alloc(8 * MiB + 77)]);
    const place = await archiveOf(
      gzipSync(tar(tarFile(data, { name: 'disk', raw: { 136: '00000000001\0' } }))),
    );
    await extractAll(place.path, place.directory);
    const { blocks, size, mtimeMs } = await stat(inFiles(place, 'disk'));
    expect(size).toBe(data.length);
    expect(blocks * 512).toBeLessThan(1.2 * MiB);
    expect(Date.now() - mtimeMs).toBeLessThan(60_000);
    expect((await readFile(inFiles(place, 'disk'))).equals(data)).toBe(true);
  });

  it('stops before the reserve of free space is touched, says how much is missing, and keeps what is whole', async () => {
    const place = await archiveOf(
      tar(tarFile('small', { name: 'a' }), tarFile(noise(80 * MiB), { name: 'b' })),
    );
    const reserved = { ...defaultLimits, reserveBytes: Number.MAX_SAFE_INTEGER };
    await expect(extractAll(place.path, place.directory, { limits: reserved })).rejects.toMatchObject({
      code: 'SPACE_INSUFFICIENT',
      details: { missingBytes: expect.any(Number) as number },
    });
    expect(await readdir(place.directory)).toEqual(['files', 'record']);
  });

  it('says how much is missing on a disk that ran full, and goes on when there is room', async () => {
    const scratch = scratchDirectory();
    await mkdir(join(scratch, 'full'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'none', join(scratch, 'full')]);
    try {
      const data = [noise(4 * MiB), noise(16 * MiB)];
      const path = join(scratch, 'archive');
      await writeFile(
        path,
        gzipSync(tar(...data.map((each, index) => tarFile(each, { name: `d${index}` })))),
      );
      const directory = join(scratch, 'full', 'out');
      const failure: unknown = await extractAll(path, directory).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'SPACE_INSUFFICIENT' });
      expect(await readdir(directory)).toEqual(['files', 'record']);
      const { ino } = await stat(join(directory, 'files', 'd0'));
      await run('mount', ['-o', 'remount,size=64m', join(scratch, 'full')]);
      await extractAll(path, directory);
      expect((await readFile(join(directory, 'files', 'd1'))).equals(data[1] ?? Buffer.alloc(0))).toBe(true);
      expect((await stat(join(directory, 'files', 'd0'))).ino).toBe(ino);
    } finally {
      await run('umount', [join(scratch, 'full')]);
    }
  });

  it('can be cancelled in the middle, and kills its children', async () => {
    const place = await archiveOf(zstdCompressSync(tar(tarFile(noise(60 * MiB), { name: 'disk' }))));
    const controller = new AbortController();
    const io = { ...testIo(controller.signal), report: () => controller.abort(new Error('cancelled')) };
    await expect(extractAll(place.path, place.directory, { io })).rejects.toThrow('cancelled');
    expect(await readdir(join(place.directory, 'files'))).toEqual([]);
  });

  it('notices that the archive changed while it was read', async () => {
    const place = await archiveOf(tar(tarFile('one', { name: 'a' }), tarFile('two', { name: 'b' })));
    const io = { ...testIo(), report: () => void utimes(place.path, 1, 1) };
    await expect(extractAll(place.path, place.directory, { io })).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
    });
  });

  it.each([
    ['tar.gz', (data: Buffer) => gzipSync(data, { level: 1 })],
    ['tar.zst', (data: Buffer) => zstdCompressSync(data)],
  ] as const)('needs little memory for any size: %s', async (_, compress) => {
    const place = await archiveOf(compress(tar(tarFile(noise(250 * MiB), { name: 'disk' }))));
    const { stdout } = await run(process.execPath, [program, place.path, place.directory]);
    expect(Number(stdout) / 1e6).toBeGreaterThan(1);
    expect(Number(stdout) / 1e6).toBeLessThan(150);
  });
});

/** Members whose lines in the record are whole. */
async function recorded({ directory }: Place): Promise<string[]> {
  const text = await readFile(join(directory, 'record'), 'utf8').catch(() => '');
  return [...text.matchAll(/^\{"member":\{"name":"([^"]+)".*\}$/gm)].map(([, name = '']) => name);
}

/** A file with its name is whole, recorded or not. */
async function expectOnlyWhole(place: Place, names: string[], members: Buffer[]): Promise<void> {
  for (const name of await readdir(join(place.directory, 'files')))
    expect(
      (await readFile(inFiles(place, name))).equals(members[names.indexOf(name)] ?? Buffer.alloc(0)),
    ).toBe(true);
}
