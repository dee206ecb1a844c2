import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { ImageWindow } from '../../../contracts/values.ts';
import { placeOfImage } from '../../../contracts/image-place.ts';
import { imageError, sourceFileError } from '../errors.ts';

/** The most that is read at once; tables are walked in pieces of this size. */
const maxReadBytes = 1024 * 1024;

/**
 * A disk image opened for reading only: a file, or a window of one, whose offsets count from its start. Offsets
 * come from headers nobody vouches for, so every read is bounded and one that passes the end is IMAGE_TRUNCATED.
 */
export class ImageFile {
  /** For people: with the member's name for a window. */
  readonly path: string;
  readonly sizeBytes: number;
  private readonly handle: FileHandle;
  private readonly start: number;

  private constructor(place: { path: string; sizeBytes: number; start: number }, handle: FileHandle) {
    this.path = place.path;
    this.sizeBytes = place.sizeBytes;
    this.start = place.start;
    this.handle = handle;
  }

  /**
   * Opens `path`, hands it or a window of it to `use`, and closes it.
   *
   * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE (also for anything but a regular file);
   *   IMAGE_TRUNCATED for a window that passes the end of its file.
   */
  static async with<T>(path: string, use: (file: ImageFile) => Promise<T>, window?: ImageWindow): Promise<T> {
    const { handle, sizeBytes } = await openSourceFile(path);
    try {
      const whole = new ImageFile({ path, sizeBytes, start: 0 }, handle);
      return await use(window === undefined ? whole : whole.#through(window));
    } catch (error) {
      throw sourceFileError(path, error);
    } finally {
      await handle.close();
    }
  }

  #through(window: ImageWindow): ImageFile {
    const { offset, sizeBytes, name } = window;
    this.requireWithin(offset, sizeBytes, `its member ${name}`);
    const path = placeOfImage({ path: this.path, window });
    return new ImageFile({ path, sizeBytes, start: offset }, this.handle);
  }

  /** Exactly `length` bytes at `offset`. */
  async read(offset: number, length: number, what: string): Promise<Buffer> {
    if (length > maxReadBytes) throw new RangeError(`read of ${length} bytes at once`);
    if (!(offset >= 0 && offset + length <= this.sizeBytes))
      throw this.truncated(`${what} at byte ${offset}`, offset + length);
    const buffer = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(buffer, done, length - done, this.start + offset + done);
      if (bytesRead === 0) throw this.truncated(what, offset + length);
      done += bytesRead;
    }
    return buffer;
  }

  /** Up to `length` bytes at `offset`; fewer at the end of the file. */
  async peek(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || offset >= this.sizeBytes) return Buffer.alloc(0);
    return this.read(offset, Math.min(length, this.sizeBytes - offset), 'data');
  }

  /** Reads a table in pieces; `each` gets every piece with the index of its first entry. */
  async readTable(
    table: { offset: number; entries: number; entryBytes: number; what: string },
    each: (piece: Buffer, firstEntry: number) => void | Promise<void>,
  ): Promise<void> {
    this.requireWithin(table.offset, table.entries * table.entryBytes, table.what);
    const perPiece = Math.floor(maxReadBytes / table.entryBytes);
    for (let first = 0; first < table.entries; first += perPiece) {
      const count = Math.min(perPiece, table.entries - first);
      const piece = await this.read(
        table.offset + first * table.entryBytes,
        count * table.entryBytes,
        table.what,
      );
      await each(piece, first);
    }
  }

  /** Throws IMAGE_TRUNCATED unless the range lies inside the file. */
  requireWithin(offset: number, length: number, what: string): void {
    if (!(offset >= 0 && offset + length <= this.sizeBytes)) throw this.truncated(what, offset + length);
  }

  truncated(what: string, neededBytes: number): Error {
    return imageError(
      'IMAGE_TRUNCATED',
      this.path,
      `has ${this.sizeBytes} bytes, but ${what} needs ${neededBytes}`,
      undefined,
      { sizeBytes: this.sizeBytes, neededBytes },
    );
  }

  corrupt(what: string): Error {
    return imageError('IMAGE_CORRUPT', this.path, what);
  }

  unsupported(what: string, remedy: string): Error {
    return imageError('IMAGE_FORMAT_UNSUPPORTED', this.path, what, remedy);
  }
}

/**
 * Opens a regular file for reading only.
 *
 * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE (also for anything but a regular file).
 */
export async function openSourceFile(path: string): Promise<{ handle: FileHandle; sizeBytes: number }> {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, sizeBytes: stat.size };
  } catch (error) {
    await handle?.close();
    throw sourceFileError(path, error);
  }
  await handle.close();
  throw imageError('SOURCE_UNREADABLE', path, 'is not a regular file', 'Give the path of a disk image file.');
}

/** A 64-bit field as a number; what exceeds 2^53 stays larger than any file, which is all that matters. */
export const u64be = (buffer: Buffer, offset: number): number => Number(buffer.readBigUInt64BE(offset));
/** Little-endian {@link u64be}. */
export const u64le = (buffer: Buffer, offset: number): number => Number(buffer.readBigUInt64LE(offset));

/** Bytes as UTF-8 text, or undefined when they are not: a name must mean to us what it means to QEMU. */
export function decodeText(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
