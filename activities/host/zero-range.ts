import type { FileHandle } from 'node:fs/promises';
import koffi from 'koffi';
import { LonghaulError } from '../../contracts/errors.ts';

const punchHoleKeepSize = 2 | 1; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fallocate(2)
const notSupported = 95; // EOPNOTSUPP
const pieceBytes = 1024 ** 2;

let fallocate: ((fd: number, mode: number, offset: number, length: number) => number) | undefined;

/**
 * Gives the space of a range of a file back, which then reads as zeros.
 *
 * @returns false where the file system cannot do that; nothing was done then
 * @throws LonghaulError HOST_IO
 */
export function punchHole(file: FileHandle, offset: number, length: number): boolean {
  fallocate ??= koffi
    .load('libc.so.6')
    .func('int fallocate64(int fd, int mode, int64_t offset, int64_t length)') as unknown as typeof fallocate;
  if (fallocate?.(file.fd, punchHoleKeepSize, offset, length) === 0) return true;
  const errno = koffi.errno();
  if (errno === notSupported) return false;
  throw new LonghaulError('HOST_IO', {
    found: `fallocate failed with errno ${errno}`,
    remedy: 'See dmesg for errors of the storage, then retry.',
  });
}

/** Makes a range of a file read as zeros, and gives its space back where the file system can. */
export async function zeroRange(file: FileHandle, offset: number, length: number): Promise<void> {
  if (punchHole(file, offset, length)) return;
  const zeros = Buffer.alloc(Math.min(pieceBytes, length));
  for (let done = 0; done < length;) {
    const { bytesWritten } = await file.write(zeros, 0, Math.min(zeros.length, length - done), offset + done);
    done += bytesWritten;
  }
}
