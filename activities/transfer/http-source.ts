import { createHash } from 'node:crypto';
import type { Dispatcher } from 'undici';
import { messageOf } from '../../contracts/errors.ts';
import type { Extent } from './extents.ts';
import type { HttpAccess } from './http-access.ts';
import { contentRange, drain, one, rangeRequest, isTemporary } from './http-request.ts';
import { type RangeSource, TransferFault } from './range-source.ts';
import { retryAfterMs } from './retry-after.ts';

/**
 * What tells the bytes of a disk from any others: its strong entity tag, quotes included, or the time of its last
 * change where there is no tag and the time is a strong validator; RFC 9110, sections 8.8.2.2 and 8.8.3.
 */
export type Validator = { etag: string } | { lastModified: string };

interface HttpPlace {
  /** For people, without anything secret: addresses are in no message. */
  name: string;
  access: HttpAccess;
  sizeBytes: number;
  /** Of what the server holds, where that is more than the disk: a VHD has a footer behind it. */
  resourceBytes?: number;
  /** Tells the bytes from any others where the validator alone does not; see `RangeSource.identity`. */
  identity?: string;
  extents: readonly Extent[];
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
}

export type HttpDisk = HttpPlace & Validator;

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
    this.identity = disk.identity ?? markOf(disk);
    this.sizeBytes = disk.sizeBytes;
    this.extents = disk.extents;
    this.#disk = disk;
    this.#dispatcher = dispatcher;
  }

  async *read(range: Extent, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const answer = await this.#admitted(range, signal);
    // Why it ended is known by then.
    answer.body.on('error', () => undefined);
    try {
      if (answer.statusCode !== 206) await drain(answer);
      this.#check(answer, range);
      yield* this.#body(answer, range);
    } catch (error) {
      answer.body.destroy();
      signal.throwIfAborted();
      throw error instanceof TransferFault ? error : this.#lost(error);
    }
  }

  /** The answer to an address that the server takes. */
  async #admitted(range: Extent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { access } = this.#disk;
    for (let url = await access.current(signal); ;) {
      const answer = await this.#ask(url, range, signal);
      if (answer.statusCode !== 401 && answer.statusCode !== 403) {
        access.worked?.(url);
        return answer;
      }
      await drain(answer);
      const next = await access.renewed(url, signal);
      if (next === undefined) throw new TransferFault('refused', `${this.name} answers ${answer.statusCode}`);
      url = next;
    }
  }

  async #ask(url: URL, { offset, length }: Extent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#dispatcher.request({
        ...rangeRequest(url, { offset, length }, { ...this.#disk.headers, ...conditionOf(this.#disk) }),
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#lost(error);
    }
  }

  /** Only these bytes of this disk will do. */
  #check({ statusCode, headers }: Dispatcher.ResponseData, { offset, length }: Extent): void {
    const place = this.name;
    if (statusCode === 200)
      throw new TransferFault('changed', `${place} sends the whole disk where a range was asked for`);
    if (statusCode === 412) throw new TransferFault('changed', `${place} is another disk now`);
    if (statusCode === 416) throw new TransferFault('changed', `${place} is shorter than it was`);
    if (statusCode !== 206) {
      const wait = retryAfterMs(one(headers['retry-after']), Date.now());
      throw new TransferFault(
        isTemporary(statusCode) ? 'again' : 'refused',
        `${place} answers ${statusCode}`,
        {
          retryAfterMs: wait,
        },
      );
    }
    if (!isOf(this.#disk, headers)) throw new TransferFault('changed', `${place} is another disk now`);
    const encoding = one(headers['content-encoding']);
    if (encoding !== undefined && encoding !== 'identity')
      throw new TransferFault('refused', `${place} sends data encoded as ${encoding.slice(0, 40)}`);
    const stated = contentRange(one(headers['content-range']));
    if (stated?.first !== offset || stated.last !== offset + length - 1)
      throw new TransferFault('again', `${place} sends another range than was asked for`);
    const known = this.#disk.resourceBytes ?? this.sizeBytes;
    if (stated.total !== '*' && Number(stated.total) !== known)
      throw new TransferFault('changed', `${place} has ${stated.total} bytes where it had ${known}`);
  }

  async *#body(answer: Dispatcher.ResponseData, { length }: Extent): AsyncGenerator<Uint8Array> {
    const stated = one(answer.headers['content-md5']);
    const md5 = stated === undefined ? undefined : createHash('md5');
    let left = length;
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      if (piece.length > left) throw new TransferFault('again', `${this.name} sends more than was asked for`);
      left -= piece.length;
      md5?.update(piece);
      yield piece;
    }
    if (left > 0) throw new TransferFault('again', `${this.name} ended a range ${left} bytes early`);
    if (md5 && md5.digest('base64') !== stated)
      throw new TransferFault('void', `${this.name} sends bytes that do not match their Content-MD5`);
  }

  #lost(cause: unknown): TransferFault {
    return new TransferFault('again', `${this.name}: ${messageOf(cause)}`, { cause });
  }
}

/** As a word. */
export const markOf = (disk: Validator): string =>
  'etag' in disk ? disk.etag : `Last-Modified: ${disk.lastModified}`;

/** The server is to answer 412 when the disk is another one; RFC 9110, section 13.1. */
const conditionOf = (disk: Validator): Record<string, string> =>
  'etag' in disk ? { 'if-match': disk.etag } : { 'if-unmodified-since': disk.lastModified };

/** Not every server minds conditions: what it says of the bytes that it sends counts, too; RFC 9110, section 15.3.7. */
function isOf(disk: Validator, headers: Dispatcher.ResponseData['headers']): boolean {
  if ('lastModified' in disk) return one(headers['last-modified']) === disk.lastModified;
  return one(headers.etag) === disk.etag;
}
