import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDisk, GiB, makeExt4, MiB } from '../lib/disk.ts';
import { run } from '../lib/run.ts';
import { rawDisk, type Recipe } from './recipe.ts';
import { buildTiny, tiny } from './tiny.ts';

const diskBytes = 3 * GiB;
const firstPartition = MiB;

export const tinyData: Recipe = {
  about: 'tiny with a second disk of 3 GiB, mounted on /srv as /dev/sdb1',
  disks: 2,
  packages: tiny.packages,
  madeOf: [...tiny.madeOf, 'recipes/tiny-data.ts'],
  async build(dir, say) {
    await buildTiny(dir, say, [
      '/dev/sda1  /  ext4  errors=remount-ro  0  1',
      '/dev/sdb1  /srv  ext4  defaults,nofail  0  2',
    ]);
    await buildDataDisk(dir);
  },
};

async function buildDataDisk(dir: string): Promise<void> {
  const content = join(dir, 'content');
  await mkdir(join(content, 'files'), { recursive: true });
  await writeFile(join(content, 'hello.txt'), 'This is the data disk.\n');
  for (let number = 1; number <= 20; number += 1) {
    await writeFile(join(content, 'files', `${number}.txt`), `file ${number}\n`.repeat(number * 500));
  }
  const disk = rawDisk(dir, 1);
  const sizeBytes = diskBytes - firstPartition;
  await createDisk(disk, {
    label: 'dos',
    id: '0x71a00002',
    sizeBytes: diskBytes,
    partitions: [{ type: '83', startBytes: firstPartition, sizeBytes }],
  });
  const uuid = '7f1a3c52-8f5e-4a38-9a55-0d1c6d0a7102';
  await makeExt4(disk, { offsetBytes: firstPartition, sizeBytes, uuid, label: 'data', from: content });
  await run('rm', ['-r', content]);
}
