import type { TarInput } from '../../archive/tar-members.ts';
import { type RangeSource, TransferFault } from '../../transfer/range-source.ts';
import { afterFailure } from '../../transfer/server-errors.ts';

/** Asked for at once: headers lie between what is not wanted. */
const askedBytes = 64 * 1024;
/** How far it is looked for anything behind the end of an archive. */
const maxTailBytes = 1024 ** 2;

/** Reads an archive on a web server here and there, without fetching it. */
export class RangeInput implements TarInput {
  readonly #source: RangeSource;
  readonly #signal: AbortSignal;
  #known: { offset: number; bytes: Buffer } = { offset: 0, bytes: Buffer.alloc(0) };
  position = 0;

  constructor(source: RangeSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** The next bytes; fewer at the end. @throws LonghaulError TRANSFER_FAILED; on abort, the signal's reason */
  peek(count: number): Promise<Buffer> {
    return this.at(this.position, count);
  }

  /** Bytes from a place on, fewer at the end. */
  async at(offset: number, count: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(count, this.#source.sizeBytes - offset));
    const start = offset - this.#known.offset;
    if (start >= 0 && start + wanted <= this.#known.bytes.length)
      return this.#known.bytes.subarray(start, start + wanted);
    const length = Math.min(Math.max(wanted, askedBytes), this.#source.sizeBytes - offset);
    this.#known = { offset, bytes: await this.#ask(offset, length) };
    return this.#known.bytes.subarray(0, wanted);
  }

  async read(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    this.position += count;
    return bytes;
  }

  readSome(count: number): Promise<Buffer> {
    return this.read(Math.min(count, askedBytes));
  }

  skip(count: number): Promise<void> {
    this.position += count;
    return Promise.resolve();
  }

  async skipZeros(): Promise<boolean> {
    const next = (await this.peek(maxTailBytes)).findIndex((byte) => byte !== 0);
    if (next >= 0) this.position += next;
    return next >= 0;
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
