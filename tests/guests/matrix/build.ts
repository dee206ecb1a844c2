import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kernelVersion } from '../lib/debian.ts';
import { run, type Say } from '../lib/run.ts';
import { rawDisk } from '../recipes/recipe.ts';
import { unpackBase } from './base.ts';
import { fillDisks, makeDisks, makeHeader } from './disks.ts';
import type { MatrixGuest } from './guest.ts';
import { makeInitramfs } from './initramfs.ts';
import { diskLayouts } from './layout.ts';
import { configureGrub, installGrub, makeEsp } from './loaders.ts';
import { makeSystem } from './system.ts';

/**
 * Builds a guest of the matrix in an empty directory, natively: no appliance and no guest is started for it.
 *
 * @returns its disks as raw files, in its order
 */
export async function buildMatrixGuest(dir: string, guest: MatrixGuest, say: Say): Promise<string[]> {
  const tree = join(dir, 'root');
  const header = join(dir, 'header');
  const disks = diskLayouts(guest).map((_, index) => rawDisk(dir, index));
  const [disk = ''] = disks;
  say('unpacking');
  await unpackBase(guest.release, tree, say);
  say('installing and configuring');
  await makeSystem(tree, guest);
  const version = await kernelVersion(tree);

  say(`making the initramfs with ${guest.initramfs}`);
  await makeHeader(header, guest);
  await makeInitramfs(tree, guest, version, header);
  await rm(header, { force: true });

  say('making the disks');
  const places = await makeDisks(disks, guest);
  if (guest.boot !== 'bios') {
    await mkdir(join(tree, 'boot/efi'), { recursive: true });
    await makeEsp(disk, tree, guest, version);
  }
  if (guest.boot !== 'systemd-boot') await configureGrub(tree, guest, version);
  if (guest.boot === 'bios') await installGrub(disks, tree, guest);
  await fillDisks(dir, places, tree, guest, disk);
  await run('rm', ['-r', '--one-file-system', tree]);
  for (const each of disks) await run('fallocate', ['--dig-holes', each]);
  return disks;
}
