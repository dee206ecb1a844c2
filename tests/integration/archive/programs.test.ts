import { mkdtempSync } from 'node:fs';
import { mkdir, open, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveKindOf } from '../../../activities/archive/kinds.ts';
import { ArchiveBudget } from '../../../activities/archive/limits.ts';
import { listTar } from '../../../activities/archive/tar-index.ts';
import { run } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { extractAll, sha256Of, writtenFiles } from './extracting.ts';

const MiB = 1024 ** 2;
const diskBytes = 20 * MiB;
/** In mebibytes: more parts than fit into the header of an old GNU tar. */
const islands = [0, 3, 4, 7, 9, 12, 15, 16, 19];
/** Over a hundred bytes, and no part of it is. */
const longName = `${'d'.repeat(60)}/${'n'.repeat(60)}.txt`;
const names = ['disk.raw', 'vm.ovf', 'extra/näme.txt', 'empty', longName];

const home = mkdtempSync(join(tmpdir(), 'longhaul-test-'));
const vm = join(home, 'vm');
let digests: Record<string, string | undefined> = {};

/** A folder such as an export leaves: a descriptor, a sparse disk, and a link. */
beforeAll(async () => {
  for (const name of names) await mkdir(dirname(join(vm, name)), { recursive: true });
  const disk = await open(join(vm, 'disk.raw'), 'w');
  await disk.truncate(diskBytes);
  for (const at of islands) await disk.write(Buffer.alloc(8192, `island ${at} `), 0, 8192, at * MiB);
  await disk.close();
  for (const name of names.slice(1)) await writeFile(join(vm, name), name === 'empty' ? '' : name);
  await symlink('vm.ovf', join(vm, 'link'));
  digests = Object.fromEntries(
    await Promise.all(names.map(async (name) => [`vm/${name}`, await sha256Of(join(vm, name))] as const)),
  );
});
afterAll(() => rm(home, { recursive: true }));

const gnuTar = (...options: string[]): Command => ['tar', ...options, '-C', home, '-cf', 'ARCHIVE', 'vm'];
const bsdTar = (...options: string[]): Command => ['bsdtar', '-C', home, ...options, '-cf', 'ARCHIVE', 'vm'];
const sevenZip = (...options: string[]): Command => [
  'env',
  '-C',
  home,
  '7z',
  'a',
  ...options,
  'ARCHIVE',
  'vm',
];
const python = (code: string): Command => ['env', '-C', home, 'python3', '-c', code, 'ARCHIVE'];
const pythonTar = (mode: string, format: string): Command =>
  python(`import sys, tarfile
with tarfile.open(sys.argv[1], ${JSON.stringify(mode)}, format=tarfile.${format}) as archive: archive.add('vm')`);
const pythonZip = (method: string): Command =>
  python(`import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.${method}) as archive:
    for folder, _, names in os.walk('vm'):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path): archive.write(path)`);

type Command = readonly [string, ...string[]];

const archives: readonly (readonly [title: string, command: Command])[] = [
  ...['gnu', 'oldgnu', 'pax', 'ustar'].map(
    (format) => [`GNU tar, ${format}`, gnuTar(`--format=${format}`)] as const,
  ),
  ['GNU tar, v7', gnuTar('--format=v7', '--exclude=*nnn.txt')],
  ['GNU tar, oldgnu, sparse', gnuTar('--format=oldgnu', '-S')],
  ['GNU tar, gnu, sparse', gnuTar('--format=gnu', '-S')],
  ...['0.0', '0.1', '1.0'].map(
    (version) =>
      [
        `GNU tar, pax, sparse ${version}`,
        gnuTar('--format=pax', '-S', `--sparse-version=${version}`),
      ] as const,
  ),
  ['GNU tar with a name for the volume', gnuTar('--format=gnu', '-V', 'export')],
  ['GNU tar with large records', gnuTar('-b', '2000')],
  ...['-z', '-J', '-j', '--zstd'].map((option) => [`GNU tar ${option}`, gnuTar(option)] as const),
  ['GNU tar -Sz, oldgnu, as Google asks for', gnuTar('--format=oldgnu', '-S', '-z')],
  ...['gnutar', 'pax', 'ustar', 'v7'].map(
    (format) =>
      [
        `bsdtar, ${format}`,
        bsdTar('--format', format, ...(format === 'v7' ? ['--exclude', '*nnn.txt'] : [])),
      ] as const,
  ),
  ['bsdtar, pax, gzip', bsdTar('--format', 'pax', '-z')],
  ['bsdtar, zip', bsdTar('--format', 'zip')],
  ['7z, tar', sevenZip('-ttar', '-snl')],
  ['7z, zip', sevenZip('-tzip', '-snl')],
  ['7z, stored zip', sevenZip('-tzip', '-mx0', '-snl')],
  ...['GNU_FORMAT', 'PAX_FORMAT', 'USTAR_FORMAT'].map(
    (format) => [`Python, ${format}`, pythonTar('w', format)] as const,
  ),
  ['Python, gzip', pythonTar('w:gz', 'PAX_FORMAT')],
  ['Python, bzip2', pythonTar('w:bz2', 'GNU_FORMAT')],
  ['Python, xz', pythonTar('w:xz', 'GNU_FORMAT')],
  ['zip of Python', pythonZip('ZIP_DEFLATED')],
  ['zip of Python, stored', pythonZip('ZIP_STORED')],
];

describe('an archive made by another program', () => {
  it.each(archives)('is extracted byte for byte, with its holes: %s', async (title, command) => {
    const { path, directory } = await archiveBy(command);
    const extracted = await extractAll(path, join(directory, 'out'));
    const expected = title.includes('v7') ? { ...digests, [`vm/${longName}`]: undefined } : digests;
    expect(writtenFiles(extracted)).toEqual(expected);
    const disk = await stat(join(directory, 'out', 'files', 'vm', 'disk.raw'));
    expect(disk.size).toBe(diskBytes);
    expect(disk.blocks * 512).toBeLessThan(MiB);
    const skipped = extracted.skipped.map(({ name }) => name).filter((name) => name !== 'export');
    expect(skipped).toEqual(title.startsWith('zip of Python') ? [] : ['vm/link']);
  });

  it('is only looked into where its members can be used in place', async () => {
    const { path } = await archiveBy(gnuTar('--format=gnu'));
    expect(await archiveKindOf(path, testIo().signal)).toEqual({ container: 'tar', compression: 'none' });
    const { size } = await stat(path);
    const { members } = await listTar(path, new ArchiveBudget(path, size), testIo().signal);
    const file = await open(path);
    for (const { name, dataOffset, sizeBytes } of members) {
      const bytes = Buffer.alloc(sizeBytes);
      await file.read(bytes, 0, sizeBytes, dataOffset);
      await writeFile(`${path}.member`, bytes);
      expect([name, await sha256Of(`${path}.member`)]).toEqual([name, digests[name]]);
    }
    await file.close();
    expect(members).toHaveLength(names.length);
  });

  it.each([
    ['gzip', 'tar', gnuTar('-z')],
    ['xz', 'tar', gnuTar('-J')],
    ['bzip2', 'tar', gnuTar('-j')],
    ['zstd', 'tar', gnuTar('--zstd')],
    ['none', 'zip', bsdTar('--format', 'zip')],
    ['none', 'tar', gnuTar('--format=v7', '--exclude=*nnn.txt')],
    ['gzip', 'none', ['sh', '-c', `gzip -c ${vm}/disk.raw > ARCHIVE`]],
    ['zstd', 'none', ['sh', '-c', `zstd -qc ${vm}/disk.raw > ARCHIVE`]],
    ['none', 'none', ['cp', join(vm, 'disk.raw'), 'ARCHIVE']],
  ] as const)('is known by its content: %s, %s', async (compression, container, command) => {
    const { path } = await archiveBy(command);
    expect(await archiveKindOf(path, testIo().signal)).toEqual({ compression, container });
  });
});

/** Its name says nothing of what it is. */
async function archiveBy([program, ...args]: Command): Promise<{ path: string; directory: string }> {
  const directory = scratchDirectory();
  const path = join(directory, 'export.bin');
  await run(
    program,
    args.map((arg) => arg.replace('ARCHIVE', path)),
  );
  return { path, directory };
}
