import { type FileHandle, open } from 'node:fs/promises';
import koffi from 'koffi';

const write = 2; // SYNC_FILE_RANGE_WRITE
const pieceBytes = 64 * 1024 ** 2;
/** What was written last may be written once more: the tables of an image lie between its data. */
const lagBytes = 32 * 1024 ** 2;
const lookEveryMs = 100;

type SyncFileRange = {
  async: (fd: number, offset: number, bytes: number, flags: number, done: () => void) => void;
};

let syncFileRange: SyncFileRange | undefined;

/**
 * Has the kernel begin to write out a file while more of it is still to come, so that there is less to wait for when it is
 * synced; sync_file_range(2). It is advice: it makes nothing durable, and where it is not taken nothing is lost.
 */
class WriteBehind {
  readonly #file: FileHandle;
  #begunBytes = 0;
  #begun: Promise<void> | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param bytes from the start of the file, which will not change any more */
  advance(bytes: number): void {
    if (this.#begun !== undefined || bytes - this.#begunBytes < pieceBytes) return;
    const offset = this.#begunBytes;
    this.#begunBytes = bytes;
    this.#begun = begin(this.#file.fd, offset, bytes - offset).finally(() => {
      this.#begun = undefined;
    });
  }

  /** To be awaited before the file is closed. */
  async settled(): Promise<void> {
    await this.#begun;
  }
}

function begin(fd: number, offset: number, bytes: number): Promise<void> {
  syncFileRange ??= koffi
    .load('libc.so.6')
    .func('int sync_file_range(int fd, int64_t offset, int64_t bytes, unsigned int flags)') as SyncFileRange;
  return new Promise((resolve) => syncFileRange?.async(fd, offset, bytes, write, resolve));
}

/**
 * Runs what makes a file grow, has it written out meanwhile, and syncs it in the end.
 *
 * @throws the errno of what storage says then, besides what `work` throws
 */
export async function writtenBehind(path: string, work: () => Promise<void>): Promise<void> {
  // Open all the while: an error of writing it out is told to those who have it open (fsync(2)).
  const file = await open(path, 'r+');
  const behind = new WriteBehind(file);
  const look = setInterval(() => {
    void file.stat().then(
      ({ size }) => behind.advance(size - lagBytes),
      () => undefined,
    );
  }, lookEveryMs);
  try {
    await work();
    await file.sync();
  } finally {
    clearInterval(look);
    await behind.settled();
    await file.close();
  }
}
