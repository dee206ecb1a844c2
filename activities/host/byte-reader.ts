/** Thrown when a stream ends, or goes on, where its format does not allow it. */
export class MalformedArchive extends Error {}

/** Reads a stream of chunks piece by piece, holding no more than a chunk and what is asked for. */
export class ByteReader {
  private readonly chunks: AsyncIterator<Buffer>;
  private buffered: Buffer = Buffer.alloc(0);
  private readonly limitBytes: number;
  /** Bytes consumed so far. */
  position = 0;

  /** @param limitBytes reading further than this is an error: a small file can expand without end. */
  constructor(source: AsyncIterable<Buffer>, limitBytes: number) {
    this.chunks = source[Symbol.asyncIterator]();
    this.limitBytes = limitBytes;
  }

  /** The next bytes without consuming them; fewer at the end of the stream. */
  async peek(count: number): Promise<Buffer> {
    while (this.buffered.length < count && (await this.pull())) continue;
    return this.buffered.subarray(0, count);
  }

  /** @throws MalformedArchive when the stream ends before. */
  async read(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new MalformedArchive('the archive ends in the middle');
    this.consume(count);
    return bytes;
  }

  /** At least one and at most `count` bytes, whatever is there. @throws MalformedArchive at the end of the stream. */
  async readSome(count: number): Promise<Buffer> {
    if (this.buffered.length === 0 && !(await this.pull()))
      throw new MalformedArchive('the archive ends in the middle');
    const bytes = this.buffered.subarray(0, count);
    this.consume(bytes.length);
    return bytes;
  }

  async skip(count: number): Promise<void> {
    let left = count;
    while (left > 0) {
      const step = Math.min(left, this.buffered.length);
      this.consume(step);
      left -= step;
      if (left > 0 && !(await this.pull())) throw new MalformedArchive('the archive ends in the middle');
    }
  }

  /** Skips zeros; false when the stream ends with them. */
  async skipZeros(): Promise<boolean> {
    for (;;) {
      const next = this.buffered.findIndex((byte) => byte !== 0);
      if (next >= 0) {
        this.consume(next);
        return true;
      }
      this.consume(this.buffered.length);
      if (!(await this.pull())) return false;
    }
  }

  /** Everything not consumed yet. The reader is of no use afterwards. */
  async *rest(): AsyncGenerator<Buffer> {
    if (this.buffered.length > 0) yield this.buffered;
    for (;;) {
      const next = await this.chunks.next();
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** Lets the source free what it holds (a program, a file). */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private consume(count: number): void {
    this.buffered = this.buffered.subarray(count);
    this.position += count;
    if (this.position > this.limitBytes) {
      throw new MalformedArchive(`the archive holds more than ${this.limitBytes} bytes`);
    }
  }

  private async pull(): Promise<boolean> {
    const next = await this.chunks.next();
    if (next.done === true) return false;
    this.buffered = this.buffered.length === 0 ? next.value : Buffer.concat([this.buffered, next.value]);
    return true;
  }
}
