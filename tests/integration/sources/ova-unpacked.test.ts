import { link, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveVm } from '../../support/archive-vm.ts';
import { contentOf, filesIn, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';
import { type OvaOptions, writeOva, writePackage } from '../../support/ova.ts';
import { diskItem, oneDiskOvf, ovfText, scsiController } from '../../support/ovf-texts.ts';
import { sha256 } from '../image/variants.ts';

describe('disks of an OVA that have to be unpacked', () => {
  const gzOva = async (
    broken: (packed: Buffer) => Buffer = (packed) => packed,
    manifest?: OvaOptions['manifest'],
    capacity = sizeBytes,
  ) => {
    const made = await prepare();
    const packed = broken(gzipSync(await readFile(join(made.source, vmdk))));
    await writeFile(join(made.source, `${vmdk}.gz`), packed);
    const files = [{ id: 'file1', href: `${vmdk}.gz`, more: 'ovf:compression="gzip"' }];
    const descriptor = oneDiskOvf('', capacity, { files });
    await writeOva(made.ova, {
      ...{ directory: made.source, descriptor, files: [`${vmdk}.gz`] },
      ...(manifest && { manifest }),
    });
    return made;
  };
  const chunkBytes = 300_000;
  const chunkedOva = async (change: (names: string[]) => string[] = (names) => names, isGzip = false) => {
    const made = await prepare();
    const disk = await readFile(join(made.source, vmdk));
    const whole = isGzip ? gzipSync(disk) : disk;
    const more = isGzip ? 'ovf:compression="gzip"' : '';
    const names: string[] = [];
    for (let at = 0; at < whole.length; at += chunkBytes) {
      const name = `${vmdk}.${String(names.length).padStart(9, '0')}`;
      await writeFile(join(made.source, name), whole.subarray(at, at + chunkBytes));
      names.push(name);
    }
    expect(names.length).toBeGreaterThan(2);
    const files = [
      { id: 'file1', href: vmdk, more: `ovf:chunkSize="${chunkBytes}" ovf:size="${whole.length}" ${more}` },
    ];
    await writeOva(made.ova, {
      directory: made.source,
      descriptor: oneDiskOvf('', sizeBytes, { files }),
      files: change(names),
    });
    return made;
  };

  it('are known by the descriptor before, and unpacked into the work directory: gzip', async () => {
    const { ova, raw } = await gzOva();
    const vm = archiveVm({ path: ova });
    expect(await vm.describe()).toMatchObject({
      disks: [],
      remoteDisks: [{ index: 0, virtualSizeBytes: sizeBytes }],
    });
    const [disk] = await vm.acquire();
    expect(disk?.image.path.startsWith(vm.work.scratch)).toBe(true);
    expect(await contentOf(disk)).toBe(await sha256(raw));
    expect((await stat(disk?.image.path ?? '')).mode & 0o777).toBe(0o600);
  });

  it('are told when they are not what the descriptor says, once that is known', async () => {
    const { ova } = await gzOva(undefined, undefined, sizeBytes + 2 ** 30);
    const [disk] = await archiveVm({ path: ova }).acquire();
    expect(disk?.findings).toMatchObject([{ severity: 'warning', code: 'capacity-differs' }]);
    const [right] = await archiveVm({ path: (await gzOva()).ova }).acquire();
    expect(right).not.toHaveProperty('findings');
  });

  it('are not unpacked again once they are whole', async () => {
    const { ova } = await gzOva();
    const vm = archiveVm({ path: ova });
    const [first] = await vm.acquire();
    const [again] = await vm.acquire();
    expect(again?.files).toEqual(first?.files);
  });

  it('are put together from their pieces', async () => {
    const { ova, raw } = await chunkedOva();
    const vm = archiveVm({ path: ova });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it('are put together from their pieces, and unpacked', async () => {
    const { ova, raw } = await chunkedOva(undefined, true);
    const [disk] = await archiveVm({ path: ova }).acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it.each([
    ['the first', (names: string[]) => names.slice(1)],
    ['one between', (names: string[]) => [...names.slice(0, 1), ...names.slice(2)]],
    ['the last', (names: string[]) => names.slice(0, -1)],
  ])('are refused when a piece is missing: %s', async (_which, change) => {
    const { ova } = await chunkedOva(change);
    const error = await refusal(archiveVm({ path: ova }).describe());
    expect(error.code).toBe('ARCHIVE_INCOMPLETE');
    expect(error.found).toMatch(/\.0000000\d\d/);
  });

  it.each([
    ['hides behind zeros', Buffer.concat([Buffer.alloc(4096), Buffer.from('hidden')])],
    ['hides far behind zeros', Buffer.concat([Buffer.alloc(5_000_000), Buffer.from('hidden')])],
  ])('are refused when something %s', async (_what, more) => {
    const { ova } = await gzOva((packed) => Buffer.concat([packed, more]));
    expect((await refusal(archiveVm({ path: ova }).acquire())).code).toBe('ARCHIVE_DAMAGED');
  });

  it('are compared with their manifest to the end, also when zeros follow', async () => {
    const padded = (packed: Buffer) => Buffer.concat([packed, Buffer.alloc(200_000)]);
    await archiveVm({ path: (await gzOva(padded)).ova }).acquire();
    const wrong = (lines: string[]) =>
      lines.map((line) => (line.includes('.gz') ? line.replace(/= .*/, `= ${'0'.repeat(64)}`) : line));
    const { ova } = await gzOva(padded, wrong);
    expect((await refusal(archiveVm({ path: ova }).acquire())).code).toBe('ARCHIVE_CHECKSUM');
  });

  it('leave nothing under their name when they are damaged', async () => {
    const { ova } = await gzOva((packed) => packed.subarray(0, packed.length / 2));
    const vm = archiveVm({ path: ova });
    expect((await refusal(vm.acquire())).code).toBe('ARCHIVE_DAMAGED');
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('leave nothing under their name when they are not what the manifest says', async () => {
    const made = await gzOva();
    const bytes = await readFile(made.ova);
    // The time in the header of gzip: unpacking does not notice.
    const at = bytes.indexOf(Buffer.from([0x1f, 0x8b, 8, 0])) + 4;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(made.ova, bytes);
    const vm = archiveVm({ path: made.ova });
    const error = await refusal(vm.acquire());
    expect(error.code).toBe('ARCHIVE_CHECKSUM');
    expect(error.found).toContain(`${vmdk}.gz`);
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('are refused when they unpack to more than is allowed', async () => {
    const { ova } = await gzOva();
    const vm = archiveVm({ path: ova, limits: { maxTotalBytes: 1_000_000 } });
    expect(await refusal(vm.acquire())).toMatchObject({
      code: 'ARCHIVE_LIMIT',
      details: { limit: 'maxTotalBytes' },
    });
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it.each([
    ['was cut off', async (path: string) => truncate(path, 1000)],
    [
      'is another file by now',
      async (path: string) => {
        await writeFile(`${path}.other`, await readFile(path));
        await rename(`${path}.other`, path);
      },
    ],
    ['is gone', async (path: string) => rm(path)],
  ])('are unpacked again when what was unpacked %s', async (_what, change) => {
    const { ova, raw } = await gzOva();
    const vm = archiveVm({ path: ova });
    const [first] = await vm.acquire();
    const path = first?.image.path ?? '';
    await change(path);
    const before = await stat(path).catch(() => undefined);
    const [again] = await vm.acquire();
    expect(again?.image.path).toBe(path);
    expect((await stat(path)).ino).not.toBe(before?.ino);
    expect(await contentOf(again)).toBe(await sha256(raw));
  });

  /** Each of 4 MiB of zeros, so that it is clear what they come to. */
  const severalOva = async (count: number, hrefOf: (index: number) => string) => {
    const made = await prepare();
    const ids = Array.from({ length: count }, (_, index) => `d${index}`);
    const names = [...new Set(ids.map((_id, index) => hrefOf(index)))];
    const packed = gzipSync(Buffer.alloc(diskBytes));
    await Promise.all(names.map((name) => writeFile(join(made.source, name), packed)));
    const descriptor = ovfText({
      files: ids.map((id, index) => ({ id, href: hrefOf(index), more: 'ovf:compression="gzip"' })),
      disks: ids.map((id) => ({ id, file: id, capacity: diskBytes })),
      items: [scsiController(3), ...ids.map((id, index) => diskItem(7 + index, id, 3, index))].join('\n'),
    });
    await writeOva(made.ova, { directory: made.source, descriptor, files: names });
    return made;
  };
  const diskBytes = 4 * 2 ** 20;

  it('count together: two that are within a limit each are not when they are more than it together', async () => {
    const { ova } = await severalOva(2, (index) => `disk${index}.raw.gz`);
    const vm = archiveVm({ path: ova, limits: { maxTotalBytes: diskBytes * 1.5 } });
    const attempts = [await refusal(vm.acquire()), await refusal(vm.acquire())];
    for (const error of attempts)
      expect(error).toMatchObject({ code: 'ARCHIVE_LIMIT', details: { limit: 'maxTotalBytes' } });
    expect(await vm.amended({ limits: { maxTotalBytes: diskBytes * 2 } }).acquire()).toHaveLength(2);
  });

  it('count when they were unpacked before, too', async () => {
    const { ova } = await severalOva(2, (index) => `disk${index}.raw.gz`);
    const vm = archiveVm({ path: ova });
    await vm.acquire();
    const error = await refusal(vm.amended({ limits: { maxTotalBytes: diskBytes * 1.5 } }).acquire());
    expect(error).toMatchObject({ code: 'ARCHIVE_LIMIT', details: { limit: 'maxTotalBytes' } });
  });

  it('may be 64, and no more', async () => {
    const { ova } = await severalOva(65, (index) => `disk${index}.raw.gz`);
    const error = await refusal(archiveVm({ path: ova }).acquire());
    expect(error).toMatchObject({ code: 'OVF_UNSUPPORTED', details: { disks: 65, allowed: 64 } });
    const most = await severalOva(64, (index) => `disk${index}.raw.gz`);
    expect((await archiveVm({ path: most.ova }).describe()).remoteDisks).toHaveLength(64);
  });

  it('may not be one file twice', async () => {
    const { ova } = await severalOva(2, () => 'disk.raw.gz');
    const error = await refusal(archiveVm({ path: ova }).acquire());
    expect(error).toMatchObject({ code: 'OVF_INVALID', details: { file: 'disk.raw.gz' } });
  });

  it.each([
    ['a link', symlink],
    ['a hard link', (name: string, path: string) => link(join(path, '..', name), path)],
  ])('may not have one file in two of their pieces, by %s either', async (_how, makeLink) => {
    const { source } = await prepare();
    const first = `${vmdk}.000000000`;
    const descriptor = oneDiskOvf('', sizeBytes, {
      files: [{ id: 'file1', href: vmdk, more: 'ovf:chunkSize="4096" ovf:size="8192"' }],
    });
    await writeFile(join(source, first), Buffer.alloc(4096));
    await makeLink(first, join(source, `${vmdk}.000000001`));
    await writePackage({ directory: source, descriptor, files: [first], manifest: 'none' });
    expect((await refusal(archiveVm({ path: source }).acquire())).code).toBe('OVF_INVALID');
  });
});
