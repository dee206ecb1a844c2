import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm, truncate } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { run } from './run.ts';

export const MiB = 1024 * 1024;
export const GiB = 1024 * MiB;

export interface Partition {
  /** sfdisk's name or code: `83`, `82`, `L`, `U` (EFI), `lvm` ... */
  type: string;
  startBytes: number;
  sizeBytes: number;
  bootable?: boolean;
  /** When not simply the next one: logical partitions start with 5. */
  number?: number;
  /** GPT only: partition name and UUID. */
  name?: string;
  uuid?: string;
}

export interface DiskLayout {
  label: 'dos' | 'gpt';
  /** Disk signature (`0x...`) or GPT disk GUID. */
  id: string;
  sizeBytes: number;
  partitions: readonly Partition[];
}

/** Creates a sparse raw disk with a partition table. */
export async function createDisk(path: string, layout: DiskLayout): Promise<void> {
  const file = await open(path, 'wx');
  await file.truncate(layout.sizeBytes);
  await file.close();
  const lines = layout.partitions.map((part, index) =>
    [
      `disk${part.number ?? index + 1} : start=${part.startBytes / 512}`,
      `size=${part.sizeBytes / 512}`,
      `type=${part.type}`,
      ...(part.bootable ? ['bootable'] : []),
      ...(part.name === undefined ? [] : [`name="${part.name}"`]),
      ...(part.uuid === undefined ? [] : [`uuid=${part.uuid}`]),
    ].join(', '),
  );
  const script = [`label: ${layout.label}`, `label-id: ${layout.id}`, 'unit: sectors', ...lines, ''].join(
    '\n',
  );
  await run('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', path], { input: script });
}

export interface Ext4 {
  offsetBytes: number;
  sizeBytes: number;
  uuid: string;
  label?: string;
  /** Directory whose content the file system gets. */
  from: string;
}

/** Makes an ext4 file system inside a disk file and fills it, without mounting anything. mke2fs(8) -d. */
export async function makeExt4(disk: string, fs: Ext4): Promise<void> {
  const label = fs.label === undefined ? [] : ['-L', fs.label];
  const size = `${fs.sizeBytes / 1024}k`;
  const extended = `offset=${fs.offsetBytes},nodiscard`;
  await run('mke2fs', [
    ...['-q', '-F', '-t', 'ext4', '-U', fs.uuid, ...label],
    ...['-E', extended, '-d', fs.from, disk, size],
  ]);
}

/** Makes swap space inside a disk file. Only its first page says so, mkswap(8). */
export async function makeSwap(
  disk: string,
  swap: { offsetBytes: number; sizeBytes: number; uuid: string },
): Promise<void> {
  const header = `${disk}.swap`;
  const file = await open(header, 'wx', 0o600);
  await file.truncate(swap.sizeBytes);
  await file.close();
  await run('mkswap', ['--uuid', swap.uuid, header]);
  await truncate(header, 4096);
  await writeAt(disk, swap.offsetBytes, header);
  await rm(header);
}

/** Makes a FAT file system inside a disk file with the given files, host path by path in it. */
export async function makeFat(
  disk: string,
  fs: { offsetBytes: number; sizeBytes: number; volumeId: string; files: ReadonlyMap<string, string> },
): Promise<void> {
  const image = `${disk}.fat`;
  const file = await open(image, 'wx');
  await file.truncate(fs.sizeBytes);
  await file.close();
  await run('mkfs.vfat', ['-F', '32', '-i', fs.volumeId, image]);
  const folders = new Set<string>();
  for (const path of fs.files.keys()) {
    const parts = path.split('/').slice(0, -1);
    parts.forEach((_, index) => folders.add(parts.slice(0, index + 1).join('/')));
  }
  for (const folder of folders) await run('mmd', ['-i', image, `::${folder}`]);
  for (const [path, from] of fs.files) await run('mcopy', ['-i', image, from, `::${path}`]);
  await run('fallocate', ['--dig-holes', image]);
  await writeAt(disk, fs.offsetBytes, image);
  await rm(image);
}

/** Copies a file into another at an offset; the rest of the target stays. */
async function writeAt(target: string, offsetBytes: number, source: string): Promise<void> {
  await pipeline(createReadStream(source), createWriteStream(target, { flags: 'r+', start: offsetBytes }));
}
