import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveVm } from '../../support/archive-vm.ts';
import { contentOf, filesIn, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';
import { type OvaOptions, writeOva } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { sha256 } from '../image/variants.ts';

describe('disks of an OVA that have to be unpacked', () => {
  const gzOva = async (
    broken: (packed: Buffer) => Buffer = (packed) => packed,
    manifest?: OvaOptions['manifest'],
  ) => {
    const made = await prepare();
    const packed = broken(gzipSync(await readFile(join(made.source, vmdk))));
    await writeFile(join(made.source, `${vmdk}.gz`), packed);
    const files = [{ id: 'file1', href: `${vmdk}.gz`, more: 'ovf:compression="gzip"' }];
    const descriptor = oneDiskOvf('', sizeBytes, { files });
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
});
