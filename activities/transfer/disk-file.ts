import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { hasErrno } from '../../contracts/errors.ts';
import { punchHole } from '../host/zero-range.ts';
import type { Extent } from './extents.ts';

/** The sparse file that a disk is fetched into, raw. */
export class DiskFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** It is made when it is not there, readable by its owner alone. */
  static async open(path: string): Promise<DiskFile> {
    try {
      return new DiskFile(await open(path, 'r+'));
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      return new DiskFile(await open(path, 'wx+', 0o600));
    }
  }

  /** The same as long as no other file takes its place. */
  async inode(): Promise<string> {
    const { ino, birthtimeNs } = await this.#file.stat({ bigint: true });
    return `${ino} ${birthtimeNs}`;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /** Gives it its size, durably. @param empty without anything that is in it */
  async resize(sizeBytes: number, { empty }: { empty: boolean }): Promise<void> {
    if (empty) await this.#file.truncate(0);
    await this.#file.truncate(sizeBytes);
    await this.#file.sync();
  }

  async write(pieces: Uint8Array[], position: number): Promise<void> {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const { bytesWritten } = await this.#file.writev(pieces, position);
    if (bytesWritten === length) return;
    // A write that a full disk cut short says why when it is repeated.
    const rest = Buffer.concat(pieces).subarray(bytesWritten);
    for (let done = 0; done < rest.length;) {
      const at = position + bytesWritten + done;
      done += (await this.#file.write(rest, done, rest.length - done, at)).bytesWritten;
    }
  }

  /**
   * Forgets what is in a range, before it is written anew. After a write that the storage lost, ext4 takes the next one
   * to the same blocks without noting that there is data now.
   */
  forget({ offset, length }: Extent): void {
    punchHole(this.#file, offset, length);
  }

  /** See `JournaledFile.confirm`. */
  async confirm({ offset, length }: Extent, sha256: string): Promise<boolean> {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) return false;
      done += bytesRead;
    }
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) return false;
    this.forget({ offset, length });
    await this.write([bytes], offset);
    return true;
  }

  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
