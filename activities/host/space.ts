import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';

export interface FreeSpace {
  /** Bytes an unprivileged writer may still use (statvfs f_bavail). */
  freeBytes: number;
  totalBytes: number;
}

/**
 * Free space of the file system that holds `path`, which need not exist yet: its nearest existing parent counts.
 *
 * @throws LonghaulError HOST_IO when the file system does not answer.
 */
export async function freeSpace(path: string): Promise<FreeSpace> {
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && dirname(path) !== path) return freeSpace(dirname(path));
    throw new LonghaulError(
      'HOST_IO',
      {
        found: `the free space of ${path} cannot be told: ${messageOf(error)}`,
        remedy: 'See whether that file system is mounted and well.',
        details: { path },
      },
      error,
    );
  }
}

/** The device of the file system that will hold `path`. */
export async function deviceOf(path: string): Promise<number> {
  try {
    return (await stat(path)).dev;
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && dirname(path) !== path) return deviceOf(dirname(path));
    throw error;
  }
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size for people: `1.5 GiB`. */
export function describeBytes(bytes: number): string {
  const exponent = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 1024 ** exponent;
  return `${exponent === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[exponent] ?? 'bytes'}`;
}
