import { mkdir, rmdir } from 'node:fs/promises';
import { run } from '../lib/run.ts';

/**
 * Makes an image file with XFS for a device with sectors of 4096 bytes, as LUKS2 containers have them: XFS is
 * made for the sectors below it and does not mount on larger ones.
 */
export async function makeWideXfs(
  image: string,
  { sizeBytes, uuid, from }: { sizeBytes: number; uuid: string; from: string },
): Promise<void> {
  await run('truncate', ['--size', sizeBytes.toString(), image]);
  await run('mkfs.xfs', ['-q', '-s', 'size=4096', '-m', `uuid=${uuid}`, image]);
  const mountPoint = `${image}.mounted`;
  await mkdir(mountPoint);
  await run('mount', ['-o', 'loop', '-t', 'xfs', image, mountPoint]);
  try {
    await run('cp', ['--archive', `${from}/.`, mountPoint]);
  } finally {
    await run('umount', [mountPoint]);
    await rmdir(mountPoint);
  }
}
