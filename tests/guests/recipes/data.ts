import { createCipheriv } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDisk, GiB, makeExt4, MiB } from '../lib/disk.ts';
import { run } from '../lib/run.ts';
import { rawDisk, type Recipe } from './recipe.ts';

const diskBytes = 4 * GiB;
const firstPartition = MiB;
/** GPT keeps a second table at the end. */
const lastBytes = MiB;
const fileCount = 25;
const fileBytes = 4 * MiB;

export const data: Recipe = {
  about: 'a lone data disk: GPT, ext4, 4 GiB with 100 MiB of files, no operating system',
  disks: 1,
  packages: [],
  madeOf: ['recipes/data.ts'],
  async build(dir) {
    const content = join(dir, 'content');
    await mkdir(join(content, 'archive'), { recursive: true });
    for (let number = 0; number < fileCount; number += 1) {
      await writeFile(join(content, 'archive', `${number}.bin`), noise(number, fileBytes));
    }
    const disk = rawDisk(dir, 0);
    const sizeBytes = diskBytes - firstPartition - lastBytes;
    await createDisk(disk, {
      label: 'gpt',
      id: '0DA7A000-5B1C-4C5E-8E63-3A1B5A7C0001',
      sizeBytes: diskBytes,
      partitions: [
        {
          type: 'L',
          startBytes: firstPartition,
          sizeBytes,
          name: 'archive',
          uuid: '0DA7A000-5B1C-4C5E-8E63-3A1B5A7C0002',
        },
      ],
    });
    const uuid = '0da7a000-5b1c-4c5e-8e63-3a1b5a7c0003';
    await makeExt4(disk, { offsetBytes: firstPartition, sizeBytes, uuid, label: 'archive', from: content });
    await run('rm', ['-r', content]);
  },
};

/** Bytes that do not compress and are the same every time. */
function noise(seed: number, length: number): Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed + 1), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}
