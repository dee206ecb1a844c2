import type { RandomBytes } from '../../archive/random-reader.ts';
import { type RangeSource, TransferFault } from '../../transfer/range-source.ts';
import { afterFailure } from '../../transfer/server-errors.ts';

/** Asked for at once: headers lie between what is not wanted. */
const askedBytes = 64 * 1024;

/** Bytes here and there of an archive on a web server, without fetching it. */
export class WebBytes implements RandomBytes {
  readonly #source: RangeSource;
  readonly #signal: AbortSignal;
  #known: { offset: number; bytes: Buffer } = { offset: 0, bytes: Buffer.alloc(0) };

  constructor(source: RangeSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes;
  }

  /** @throws LonghaulError TRANSFER_FAILED; on abort, the signal's reason */
  async at(offset: number, count: number): Promise<Buffer> {
    if (count === 0) return Buffer.alloc(0);
    const start = offset - this.#known.offset;
    if (start >= 0 && start + count <= this.#known.bytes.length)
      return this.#known.bytes.subarray(start, start + count);
    const length = Math.min(Math.max(count, askedBytes), this.sizeBytes - offset);
    this.#known = { offset, bytes: await this.#ask(offset, length) };
    return this.#known.bytes.subarray(0, count);
  }

  async #ask(offset: number, length: number): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of this.#source.read({ offset, length }, this.#signal)) pieces.push(piece);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error instanceof TransferFault ? afterFailure(this.#source.name, error) : error;
    }
    const bytes = Buffer.concat(pieces);
    if (bytes.length === length) return bytes;
    throw afterFailure(this.#source.name, new Error('the answer ended early'));
  }
}
