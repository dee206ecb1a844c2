import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import { syncPath } from '../host/sync-path.ts';

/** Zeros that fill a block of this size, counted from the start of the file, are not written. */
const holeBytes = 32 * 1024;
const zeroBlock = Buffer.alloc(holeBytes);
/**
 * Bytes are gathered in a few buffers that are used again: those they come in are then gone quickly, which spares the
 * garbage collector more than copying costs, and small pieces become large writes.
 */
const bufferBytes = 1024 ** 2;
const bufferCount = 3;
/** Storage begins with the work early: at the end there is less to wait for. */
const syncEveryBytes = 64 * 1024 ** 2;

/** A file that gets its name when it is whole. It is its owner's only, whatever the umask. */
export class MemberFile {
  readonly #partial: string;
  readonly #file: FileHandle;
  readonly #free = Array.from({ length: bufferCount }, () => Buffer.allocUnsafe(bufferBytes));
  readonly #writes = new Set<Promise<void>>();
  #buffer: Buffer<ArrayBuffer> | undefined;
  #sizeBytes = 0;
  #writtenBytes = 0;
  #unsyncedBytes = 0;
  #syncing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(partial: string, file: FileHandle) {
    this.#partial = partial;
    this.#file = file;
  }

  /** @param partial where it is until it is whole; what is left there from before goes */
  static async begin(partial: string): Promise<MemberFile> {
    await rm(partial, { force: true });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = await open(partial, flags, 0o600);
    await file.chmod(0o600);
    return new MemberFile(partial, file);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes that were written, holes not among them. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Takes the next bytes; returns before they are written. */
  async append(piece: Buffer): Promise<void> {
    for (let done = 0; done < piece.length;) {
      this.#buffer ??= await this.#freeBuffer();
      const at = this.#sizeBytes % bufferBytes;
      const copied = piece.copy(this.#buffer, at, done);
      done += copied;
      this.#sizeBytes += copied;
      if (at + copied === bufferBytes) this.#write(bufferBytes);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Makes it durable and gives it its name, in folders that are made below `root`. @returns its inode */
  async finish(root: string, name: string): Promise<string> {
    await this.#complete();
    await this.#file.datasync();
    const { ino } = await this.#file.stat({ bigint: true });
    await this.#file.close();
    await makeFolders(root, dirname(name));
    await rename(this.#partial, join(root, name));
    await syncPath(dirname(join(root, name)));
    return ino.toString();
  }

  /** Gives it to be read in place of a name: it is gone once that is closed, or the process is. */
  async anonymous(): Promise<FileHandle> {
    await this.#complete();
    const file = await open(this.#partial, constants.O_RDONLY | constants.O_NOFOLLOW);
    await this.discard();
    return file;
  }

  /** Gives its space back. */
  async discard(): Promise<void> {
    await this.#settle().catch(() => undefined);
    await this.#file.close().catch(() => undefined);
    await rm(this.#partial, { force: true });
  }

  async #complete(): Promise<void> {
    this.#write(this.#sizeBytes % bufferBytes);
    await this.#settle();
    await this.#file.truncate(this.#sizeBytes);
  }

  async #freeBuffer(): Promise<Buffer<ArrayBuffer>> {
    for (;;) {
      const buffer = this.#free.pop();
      if (buffer !== undefined) return buffer;
      await Promise.race(this.#writes);
    }
  }

  /** Writes what the buffer holds, its last bytes being the last of the file. */
  #write(length: number): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    const write = this.#writeData(buffer.subarray(0, length), this.#sizeBytes - length)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#writes.delete(write);
        this.#free.push(buffer);
      });
    this.#writes.add(write);
  }

  async #writeData(bytes: Buffer, position: number): Promise<void> {
    for (const { start, end } of dataIn(bytes)) {
      await writeAll(this.#file, bytes.subarray(start, end), position + start);
      this.#writtenBytes += end - start;
      this.#unsyncedBytes += end - start;
    }
    if (this.#unsyncedBytes >= syncEveryBytes) this.#syncEarly();
  }

  #syncEarly(): void {
    if (this.#syncing !== undefined) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#file
      .datasync()
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#writes);
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The parts that are more than zeros, in whole blocks. */
function* dataIn(bytes: Buffer): Generator<{ start: number; end: number }> {
  let start: number | undefined;
  for (let at = 0; at < bytes.length; at += holeBytes) {
    const block = bytes.subarray(at, at + holeBytes);
    const isHole = block[0] === 0 && zeroBlock.subarray(0, block.length).equals(block);
    if (isHole && start !== undefined) yield { start, end: at };
    start = isHole ? undefined : (start ?? at);
  }
  if (start !== undefined) yield { start, end: bytes.length };
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Each on its own: `recursive` would leave the modes of those between to the umask. */
async function makeFolders(root: string, path: string): Promise<void> {
  if (path === '.') return;
  await makeFolders(root, dirname(path));
  await makeFolder(join(root, path));
}

/** A folder for its owner only, whatever the umask. It may be there. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await chmod(path, 0o700);
    await syncPath(dirname(path));
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
}
