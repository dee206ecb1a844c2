import { mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';

export interface NewFileSystem {
  type: 'xfs' | 'btrfs';
  sizeBytes: number;
  uuid: string;
  /** Directory whose content the file system gets. */
  from: string;
  /** btrfs: the subvolume that gets it. */
  subvolume?: string;
}

/** Makes an image file with a file system that only its own kernel driver can fill: it is mounted for that. */
export async function makeMounted(image: string, fs: NewFileSystem): Promise<void> {
  const file = await open(image, 'wx');
  await file.truncate(fs.sizeBytes);
  await file.close();
  if (fs.type === 'xfs') await run('mkfs.xfs', ['-q', '-m', `uuid=${fs.uuid}`, image]);
  else await run('mkfs.btrfs', ['--quiet', '--uuid', fs.uuid, image]);
  const mountPoint = `${image}.mounted`;
  await mkdir(mountPoint);
  await run('mount', ['-o', 'loop', '-t', fs.type, image, mountPoint]);
  try {
    const target = join(mountPoint, fs.subvolume ?? '');
    if (fs.subvolume !== undefined) await run('btrfs', ['subvolume', 'create', target]);
    await run('cp', ['--archive', `${fs.from}/.`, target]);
  } finally {
    await run('umount', [mountPoint]);
    await rmdir(mountPoint);
  }
}

/** Writes an image file into a disk file; what is empty in the image stays as it is in the disk. */
export async function placeImage(disk: string, offsetBytes: number, image: string): Promise<void> {
  await run('dd', [
    ...[`if=${image}`, `of=${disk}`, 'bs=1M', `seek=${offsetBytes}`, 'oflag=seek_bytes'],
    ...['conv=sparse,notrunc', 'status=none'],
  ]);
}
