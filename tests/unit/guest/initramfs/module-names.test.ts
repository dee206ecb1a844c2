import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { readInitramfsModules } from '../../../../activities/guest/initramfs/module-names.ts';
import { cpioArchive, moduleArchive } from '../../../support/cpio-archive.ts';
import { pipe } from '../../../support/pipe.ts';

const dir = mkdtempSync(join(tmpdir(), 'initramfs-'));
afterAll(() => rmSync(dir, { recursive: true }));

const version = '6.1.0-1-amd64';
const never = new AbortController().signal;
const microcode = cpioArchive({ 'kernel/x86/microcode/GenuineIntel.bin': Buffer.alloc(5000, 7) });

async function read(content: Buffer, signal = never) {
  const path = join(dir, 'initrd');
  writeFileSync(path, content);
  const { modules, problem } = await readInitramfsModules(path, version, signal);
  return { modules: [...modules].sort(), problem };
}

describe('reading the modules of an initramfs', () => {
  it('finds them behind uncompressed microcode in a gzip part', async () => {
    const main = gzipSync(moduleArchive(version, ['virtio_blk', 'virtio-pci']));
    const found = await read(Buffer.concat([microcode, Buffer.alloc(512), main]));
    expect(found).toEqual({ modules: ['virtio_blk', 'virtio_pci'], problem: undefined });
  });

  it('finds them in uncompressed and zstd parts of one file, as Ubuntu makes them', async () => {
    const plain = cpioArchive({ [`usr/lib/modules/${version}/kernel/a/virtio_scsi.ko.zst`]: 'x' });
    const main = zstdCompressSync(moduleArchive(version, ['virtio_net']));
    const found = await read(Buffer.concat([microcode, plain, main]));
    expect(found).toEqual({ modules: ['virtio_net', 'virtio_scsi'], problem: undefined });
  });

  it.each([
    ['xz', '--check=crc32', '-c'],
    ['lz4', '-l', '-c'],
    ['lz4', '-c'],
    ['bzip2', '-c'],
    ['xz', '--format=lzma', '-c'],
  ])('finds them in what %s %s makes', async (program, ...args) => {
    const main = pipe(program, args, moduleArchive(version, ['virtio_blk']));
    expect(await read(Buffer.concat([microcode, main]))).toEqual({
      modules: ['virtio_blk'],
      problem: undefined,
    });
  });

  it('leaves out the modules of another kernel', async () => {
    expect((await read(gzipSync(moduleArchive('5.10.0-9-amd64', ['virtio_blk'])))).modules).toEqual([]);
  });

  it('keeps what it found before damage, and says so', async () => {
    const good = moduleArchive(version, ['virtio_blk']);
    const { modules, problem } = await read(Buffer.concat([good, good.subarray(0, 150)]));
    expect(modules).toEqual(['virtio_blk']);
    expect(problem).toContain('ends in the middle');
  });

  it('says when the file is no initramfs at all', async () => {
    expect((await read(Buffer.from('MZ not an initramfs'))).problem).toContain('neither a cpio archive');
    expect((await read(Buffer.alloc(4096))).problem).toBeDefined();
  });

  it('refuses names and sizes that no archive has instead of allocating for them', async () => {
    const archive = cpioArchive({ init: 'x' });
    const longName = Buffer.from(archive);
    longName.write('7fffffff', 6 + 11 * 8);
    expect((await read(longName)).problem).toContain('name is too long');
    const hugeFile = Buffer.from(archive);
    hugeFile.write('ffffffff', 6 + 6 * 8);
    expect((await read(hugeFile)).problem).toContain('ends in the middle');
  });

  it('does not unpack a compressed part within a compressed part', async () => {
    const twice = gzipSync(gzipSync(moduleArchive(version, ['virtio_blk'])));
    expect((await read(twice)).problem).toContain('neither a cpio archive');
  });

  it('stops with the reason of the signal', async () => {
    const reason = new Error('cancelled');
    await expect(read(microcode, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
