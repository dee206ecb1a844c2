import type { FileHandle } from 'node:fs/promises';
import { MalformedArchive } from '../host/byte-reader.ts';

/** The most that is read at once. */
const pieceBytes = 1024 * 1024;
/** How far it is looked for anything behind the end of an archive. */
const maxTailBytes = 1024 * 1024;

/** Reads as `ByteReader` does, from a file: what is skipped is not read. */
export class FileReader {
  readonly #file: FileHandle;
  readonly sizeBytes: number;
  readonly #onContent: (bytes: number) => void;
  position = 0;

  /** @param onContent is told of what `readSome` reads */
  constructor(file: FileHandle, sizeBytes: number, onContent: (bytes: number) => void = () => undefined) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.#onContent = onContent;
  }

  /** The next bytes without consuming them; fewer at the end of the file. */
  async peek(count: number): Promise<Buffer> {
    const wanted = Math.min(count, this.sizeBytes - this.position);
    const buffer = Buffer.allocUnsafe(wanted);
    let done = 0;
    while (done < wanted) {
      const { bytesRead } = await this.#file.read(buffer, done, wanted - done, this.position + done);
      if (bytesRead === 0) throw new MalformedArchive('the file became shorter while it was read');
      done += bytesRead;
    }
    return buffer;
  }

  /** @throws MalformedArchive when the file ends before. */
  async read(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new MalformedArchive('the archive ends in the middle');
    this.position += count;
    return bytes;
  }

  /** At least one and at most `count` bytes. @throws MalformedArchive at the end of the file. */
  async readSome(count: number): Promise<Buffer> {
    if (this.position >= this.sizeBytes) throw new MalformedArchive('the archive ends in the middle');
    const bytes = await this.read(Math.min(count, pieceBytes, this.sizeBytes - this.position));
    this.#onContent(bytes.length);
    return bytes;
  }

  /** Everything from here to the end, in large pieces. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.position < this.sizeBytes) yield await this.readSome(pieceBytes);
  }

  /** @throws MalformedArchive when the file ends before. */
  skip(count: number): Promise<void> {
    this.position += count;
    return this.position > this.sizeBytes
      ? Promise.reject(new MalformedArchive('the archive ends in the middle'))
      : Promise.resolve();
  }

  /** Skips zeros; false when there is nothing else within a mebibyte. */
  async skipZeros(): Promise<boolean> {
    const tail = await this.peek(maxTailBytes);
    const next = tail.findIndex((byte) => byte !== 0);
    this.position += next < 0 ? tail.length : next;
    return next >= 0;
  }
}
