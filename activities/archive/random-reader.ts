import type { FileHandle } from 'node:fs/promises';
import { MalformedArchive } from '../host/byte-reader.ts';

/** The most that is read at once. */
const pieceBytes = 1024 * 1024;
/** How far it is looked for anything behind the end of an archive. */
const maxTailBytes = 1024 * 1024;

/** Bytes that can be had from any place: of a file, or of one on a web server. */
export interface RandomBytes {
  readonly sizeBytes: number;
  /** Exactly so many from there on; the caller stays within the size. */
  at(offset: number, count: number): Promise<Buffer>;
}

/** @throws MalformedArchive when the file became shorter */
export const fileBytes = (file: FileHandle, sizeBytes: number): RandomBytes => ({
  sizeBytes,
  async at(offset, count) {
    const buffer = Buffer.allocUnsafe(count);
    for (let done = 0; done < count;) {
      const { bytesRead } = await file.read(buffer, done, count - done, offset + done);
      if (bytesRead === 0) throw new MalformedArchive('the file became shorter while it was read');
      done += bytesRead;
    }
    return buffer;
  },
});

/** Reads as `ByteReader` does, and what is skipped is not read. */
export class RandomReader {
  readonly #bytes: RandomBytes;
  readonly #onContent: (bytes: number) => void;
  position = 0;

  /** @param onContent is told of what `readSome` reads */
  constructor(bytes: RandomBytes, onContent: (bytes: number) => void = () => undefined) {
    this.#bytes = bytes;
    this.#onContent = onContent;
  }

  get sizeBytes(): number {
    return this.#bytes.sizeBytes;
  }

  /** The next bytes without consuming them; fewer at the end. */
  peek(count: number): Promise<Buffer> {
    return this.#bytes.at(this.position, Math.min(count, this.sizeBytes - this.position));
  }

  /** @throws MalformedArchive when it ends before. */
  async read(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw endsEarly();
    this.position += count;
    return bytes;
  }

  /** At least one and at most `count` bytes. @throws MalformedArchive at the end. */
  async readSome(count: number): Promise<Buffer> {
    if (this.position >= this.sizeBytes) throw endsEarly();
    const bytes = await this.read(Math.min(count, pieceBytes, this.sizeBytes - this.position));
    this.#onContent(bytes.length);
    return bytes;
  }

  /** Everything from here to the end, in large pieces. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.position < this.sizeBytes) yield await this.readSome(pieceBytes);
  }

  /** @throws MalformedArchive when it ends before. */
  skip(count: number): Promise<void> {
    if (this.position + count > this.sizeBytes) return Promise.reject(endsEarly());
    this.position += count;
    return Promise.resolve();
  }

  /** Skips zeros; false when there is nothing else within a mebibyte. */
  async skipZeros(): Promise<boolean> {
    const tail = await this.peek(maxTailBytes);
    const next = tail.findIndex((byte) => byte !== 0);
    this.position += next < 0 ? tail.length : next;
    return next >= 0;
  }
}

const endsEarly = () => new MalformedArchive('the archive ends in the middle');
