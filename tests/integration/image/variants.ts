import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ImageFormat } from '../../../contracts/spec.ts';
import { writeStreamOptimized } from './stream-optimized.ts';

export const qemuImg = (...args: string[]): string => execFileSync('qemu-img', args, { encoding: 'utf8' });

/** No whole number of clusters or blocks of any format. */
const diskBytes = 24 * 1024 * 1024 + 3 * 512;

/** Places that hold data, the first and the last sector among them, in bytes. */
export const dataAt: [offset: number, length: number][] = [
  [0, 1024 * 1024],
  [10 * 1024 * 1024 + 512, 200 * 1024],
  [diskBytes - 70 * 1024, 70 * 1024],
];

/** A raw disk with random data in places and holes between. */
export async function makeDisk(path: string): Promise<void> {
  const file = await open(path, 'wx');
  await file.truncate(diskBytes);
  for (const [offset, length] of dataAt) await file.write(randomBytes(length), 0, length, offset);
  await file.close();
}

export interface Variant {
  name: string;
  format: ImageFormat;
  /** File name of the image to migrate, in the directory given to `make`. */
  top: string;
  /** Makes the image with the content of `raw`, and changes to `raw` with it where it is a chain. */
  make: (directory: string, raw: string) => void | Promise<void>;
}

const plain = (name: string, format: ImageFormat, extension: string, ...options: string[]): Variant => ({
  name,
  format,
  top: `disk.${extension}`,
  make: (directory, raw) => {
    const output = options.length > 0 ? ['-o', options.join(',')] : [];
    qemuImg('convert', '-f', 'raw', '-O', format, ...output, raw, join(directory, `disk.${extension}`));
  },
});

/** Base below, and a snapshot with the pattern 0x5a in a place of its own. */
const chain = (name: string, format: 'qcow2' | 'vmdk', baseFormat: 'qcow2' | 'vmdk' | 'raw'): Variant => ({
  name,
  format,
  top: `top.${format}`,
  make: (directory, raw) => {
    const top = join(directory, `top.${format}`);
    qemuImg('convert', '-f', 'raw', '-O', baseFormat, raw, join(directory, 'base.img'));
    execFileSync('qemu-img', ['create', '-q', '-f', format, '-F', baseFormat, '-b', 'base.img', top], {
      cwd: directory,
    });
    for (const [path, stated] of [
      [top, format],
      [raw, 'raw'],
    ] as const)
      execFileSync('qemu-io', ['-f', stated, '-c', 'write -P 0x5a 5M 300k', path]);
  },
});

export const variants: Variant[] = [
  plain('raw', 'raw', 'img'),
  plain('qcow2 v3', 'qcow2', 'qcow2'),
  plain('qcow2 v2', 'qcow2', 'qcow2', 'compat=0.10'),
  plain('qcow2 with 512 byte clusters', 'qcow2', 'qcow2', 'cluster_size=512'),
  plain('qcow2 with extended L2', 'qcow2', 'qcow2', 'extended_l2=on'),
  plain('qcow2 preallocated', 'qcow2', 'qcow2', 'preallocation=metadata'),
  {
    name: 'qcow2 with a data file',
    format: 'qcow2',
    top: 'disk.qcow2',
    make: (directory, raw) =>
      void execFileSync(
        'qemu-img',
        ['convert', '-f', 'raw', '-O', 'qcow2', '-o', 'data_file=data.img', raw, 'disk.qcow2'],
        { cwd: directory },
      ),
  },
  {
    name: 'qcow2 compressed',
    format: 'qcow2',
    top: 'disk.qcow2',
    make: (directory, raw) =>
      void qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, join(directory, 'disk.qcow2')),
  },
  chain('qcow2 chain', 'qcow2', 'qcow2'),
  chain('qcow2 on raw', 'qcow2', 'raw'),
  chain('vmdk snapshot', 'vmdk', 'vmdk'),
  plain('vmdk monolithicSparse', 'vmdk', 'vmdk', 'subformat=monolithicSparse'),
  plain('vmdk monolithicFlat', 'vmdk', 'vmdk', 'subformat=monolithicFlat'),
  plain('vmdk twoGbMaxExtentSparse', 'vmdk', 'vmdk', 'subformat=twoGbMaxExtentSparse'),
  plain('vmdk twoGbMaxExtentFlat', 'vmdk', 'vmdk', 'subformat=twoGbMaxExtentFlat'),
  plain('vmdk streamOptimized by QEMU', 'vmdk', 'vmdk', 'subformat=streamOptimized'),
  {
    name: 'vmdk streamOptimized with its directory at the end',
    format: 'vmdk',
    top: 'disk.vmdk',
    make: (directory, raw) => writeStreamOptimized(raw, join(directory, 'disk.vmdk')),
  },
  plain('vhd fixed', 'vpc', 'vhd', 'subformat=fixed', 'force_size=on'),
  plain('vhd dynamic', 'vpc', 'vhd', 'subformat=dynamic', 'force_size=on'),
  plain('vhdx dynamic', 'vhdx', 'vhdx', 'subformat=dynamic'),
  plain('vhdx fixed', 'vhdx', 'vhdx', 'subformat=fixed'),
  plain('vdi dynamic', 'vdi', 'vdi'),
  plain('vdi static', 'vdi', 'vdi', 'static=on'),
];

/** A fixed VHD by a creator that QEMU believes the geometry of, which is a megabyte short of the size. */
export async function writeFixedVhd(path: string): Promise<{ writtenBytes: number; digest: string }> {
  const writtenBytes = 17 * 1024 * 1024;
  const data = randomBytes(writtenBytes);
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x10000, 12);
  footer.writeBigUInt64BE(0xffffffffffffffffn, 16);
  footer.write('vpc ', 28, 'latin1');
  footer.writeBigUInt64BE(BigInt(writtenBytes), 40);
  footer.writeBigUInt64BE(BigInt(writtenBytes), 48);
  // 482 cylinders of 4 heads and 17 sectors: 16 MiB.
  footer.writeUInt16BE(482, 56);
  footer.writeUInt8(4, 58);
  footer.writeUInt8(17, 59);
  footer.writeUInt32BE(2, 60);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  await writeFile(path, Buffer.concat([data, footer]));
  return { writtenBytes, digest: createHash('sha256').update(data).digest('hex') };
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Digest of every file in a directory. */
export async function digests(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await sha256(join(directory, name))] as const)),
  );
}
