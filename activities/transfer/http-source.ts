import { createHash } from 'node:crypto';
import type { Dispatcher } from 'undici';
import { messageOf } from '../../contracts/errors.ts';
import type { Extent } from './extents.ts';
import { type HttpAccess, publicPart } from './http-access.ts';
import { type RangeSource, TransferFault } from './range-source.ts';
import { retryAfterMs } from './retry-after.ts';

export interface HttpDisk {
  name: string;
  access: HttpAccess;
  /** Strong entity tag, quotes included; RFC 9110, section 8.8.3. Without one a change cannot be noticed. */
  etag: string;
  sizeBytes: number;
  /** Of what the server holds, where that is more than the disk: a VHD has a footer behind it. */
  resourceBytes?: number;
  /** Tells the disk from others that may have the same tag. */
  id?: string;
  extents: readonly Extent[];
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
}

/** A disk behind HTTP, read by range requests; RFC 9110, section 14. */
export class HttpRangeSource implements RangeSource {
  readonly name: string;
  readonly identity: string;
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
  readonly #disk: HttpDisk;
  readonly #dispatcher: Dispatcher;

  /** @param dispatcher pools the connections; it is the caller's to close */
  constructor(disk: HttpDisk, dispatcher: Dispatcher) {
    this.name = disk.name;
    this.identity = disk.id === undefined ? disk.etag : `${disk.id} ${disk.etag}`;
    this.sizeBytes = disk.sizeBytes;
    this.extents = disk.extents;
    this.#disk = disk;
    this.#dispatcher = dispatcher;
  }

  async *read(range: Extent, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let url = await this.#disk.access.current(signal);
    let answer = await this.#ask(url, range, signal);
    if (answer.statusCode === 401 || answer.statusCode === 403) {
      await drain(answer);
      const renewed = await this.#disk.access.renewed(url, signal);
      if (renewed === undefined)
        throw new TransferFault('refused', `${this.#place(url)} answers ${answer.statusCode}`);
      url = renewed;
      answer = await this.#ask(url, range, signal);
    }
    // Why it ended is known by then.
    answer.body.on('error', () => undefined);
    try {
      if (answer.statusCode !== 206) await drain(answer);
      this.#check(answer, url, range);
      yield* this.#body(answer, url, range);
    } catch (error) {
      answer.body.destroy();
      signal.throwIfAborted();
      throw error instanceof TransferFault ? error : this.#lost(url, error);
    }
  }

  async #ask(url: URL, { offset, length }: Extent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: 'GET',
        signal,
        headers: {
          ...this.#disk.headers,
          range: `bytes=${offset}-${offset + length - 1}`,
          'if-match': this.#disk.etag,
          'accept-encoding': 'identity',
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#lost(url, error);
    }
  }

  /** Only these bytes of this disk will do. */
  #check({ statusCode, headers }: Dispatcher.ResponseData, url: URL, { offset, length }: Extent): void {
    const place = this.#place(url);
    if (statusCode === 200)
      throw new TransferFault('changed', `${place} sends the whole disk where a range was asked for`);
    if (statusCode === 412) throw new TransferFault('changed', `${place} is another disk now`);
    if (statusCode === 416) throw new TransferFault('changed', `${place} is shorter than it was`);
    if (statusCode !== 206) {
      const temporary = statusCode === 408 || statusCode === 429 || statusCode >= 500;
      const wait = retryAfterMs(one(headers['retry-after']), Date.now());
      throw new TransferFault(temporary ? 'again' : 'refused', `${place} answers ${statusCode}`, {
        retryAfterMs: wait,
      });
    }
    const etag = one(headers.etag);
    if (etag !== undefined && etag !== this.#disk.etag)
      throw new TransferFault('changed', `${place} is another disk now`);
    const encoding = one(headers['content-encoding']);
    if (encoding !== undefined && encoding !== 'identity')
      throw new TransferFault('refused', `${place} sends data encoded as ${encoding.slice(0, 40)}`);
    const stated = one(headers['content-range']);
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(stated ?? '') ?? [];
    if (Number(first) !== offset || Number(last) !== offset + length - 1)
      throw new TransferFault('again', `${place} sends another range than was asked for`);
    const known = this.#disk.resourceBytes ?? this.sizeBytes;
    if (total !== '*' && Number(total) !== known)
      throw new TransferFault('changed', `${place} has ${total} bytes where it had ${known}`);
  }

  async *#body(answer: Dispatcher.ResponseData, url: URL, { length }: Extent): AsyncGenerator<Uint8Array> {
    const stated = one(answer.headers['content-md5']);
    const md5 = stated === undefined ? undefined : createHash('md5');
    let left = length;
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      if (piece.length > left)
        throw new TransferFault('again', `${this.#place(url)} sends more than was asked for`);
      left -= piece.length;
      md5?.update(piece);
      yield piece;
    }
    if (left > 0) throw new TransferFault('again', `${this.#place(url)} ended a range ${left} bytes early`);
    if (md5 && md5.digest('base64') !== stated)
      throw new TransferFault('void', `${this.#place(url)} sends bytes that do not match their Content-MD5`);
  }

  #lost(url: URL, cause: unknown): TransferFault {
    return new TransferFault('again', `${this.#place(url)}: ${messageOf(cause)}`, { cause });
  }

  #place(url: URL): string {
    return publicPart(url);
  }
}

const one = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;

/** Reads what is left of a short answer, so that its connection can be used again. */
async function drain(answer: Dispatcher.ResponseData): Promise<void> {
  await answer.body.dump({ limit: 65_536 }).catch(() => undefined);
}
