import { stat } from 'node:fs/promises';
import { hasErrno } from '../../contracts/errors.ts';

/** A file that was written here, and what tells it from one that was put in its place or cut off. */
export interface WrittenFile {
  path: string;
  inode: string;
  sizeBytes: number;
}

/** Whether it is still the file that was written. */
export async function isThere({ path, inode, sizeBytes }: WrittenFile): Promise<boolean> {
  try {
    const { ino, size } = await stat(path, { bigint: true });
    return ino.toString() === inode && Number(size) === sizeBytes;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
