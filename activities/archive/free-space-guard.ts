import { hasErrno, LonghaulError } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import { freeSpace } from '../host/space.ts';

/** How much is written between two looks at the free space. */
const lookEveryBytes = 64 * 1024 ** 2;

/** Watches that what must stay free on a host stays free while something is written. */
export class FreeSpaceGuard {
  readonly #directory: string;
  readonly #archive: string;
  readonly #reserveBytes: number;
  #unseenBytes = Infinity;

  constructor(archive: string, directory: string, reserveBytes: number) {
    this.#archive = archive;
    this.#directory = directory;
    this.#reserveBytes = reserveBytes;
  }

  /** @param moreBytes what is still to come, at most @throws LonghaulError SPACE_INSUFFICIENT */
  async tell(writtenBytes: number, moreBytes: number): Promise<void> {
    this.#unseenBytes += writtenBytes;
    if (this.#unseenBytes < lookEveryBytes) return;
    this.#unseenBytes = 0;
    const { freeBytes } = await freeSpace(this.#directory);
    if (freeBytes < this.#reserveBytes) throw this.#missing(this.#reserveBytes + moreBytes - freeBytes);
  }

  /** An error of writing, which may be that the disk is full. */
  async typed(error: unknown, moreBytes: number): Promise<unknown> {
    if (!hasErrno(error, 'ENOSPC') && !hasErrno(error, 'EDQUOT')) return error;
    const { freeBytes } = await freeSpace(this.#directory);
    return this.#missing(Math.max(1, this.#reserveBytes + moreBytes - freeBytes), error);
  }

  #missing(missingBytes: number, cause?: unknown): LonghaulError {
    return new LonghaulError(
      'SPACE_INSUFFICIENT',
      {
        found: `${this.#archive} needs up to ${formatBytes(missingBytes)} more in ${this.#directory} (${missingBytes} bytes), of which ${formatBytes(this.#reserveBytes)} have to stay free`,
        remedy:
          'Make room for them, or lower source.limits.reserveBytes; then retry: whole members are kept.',
        details: { path: this.#directory, missingBytes },
      },
      cause,
    );
  }
}
