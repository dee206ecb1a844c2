import type { Dispatcher } from 'undici';
import { isWebAddress } from '../../contracts/disk-address.ts';
import { contentRange, drain, one, rangeRequest } from './http-request.ts';
import type { Validator } from './http-source.ts';
import { afterFailure, denied, gone, unsupported } from './server-errors.ts';

/** What a web server says of a disk. */
export interface AskedDisk {
  /** Where it lies once redirects were followed; may be signed, and is a secret then. */
  url: URL;
  sizeBytes: number;
  validator: Validator;
  /** How the file begins. */
  head: Buffer;
}

/** Enough for the headers of most image formats. */
const headBytes = 64 * 1024;
const maxRedirects = 5;
/** Of an answer that is this short. */
const timeoutMs = 30_000;
const maxSizeBytes = 64 * 1024 ** 4;
/** The time of a change counts only once no other can have come in the same moment; RFC 9110, section 8.8.2.2. */
const settledMs = 60_000;

/**
 * Asks a web server for the beginning of a disk, and finds out whether the rest can be fetched as the download
 * does it: by ranges, over several connections, and with any change noticed. Nothing is made anywhere.
 *
 * @param name of the disk in errors; the addresses themselves are in none
 * @throws LonghaulError TRANSFER_FAILED, TRANSFER_DENIED, TRANSFER_UNSUPPORTED, SOURCE_NOT_FOUND, IMAGE_TRUNCATED;
 *   on abort, the signal's reason
 */
export async function askDisk(
  name: string,
  address: URL,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<AskedDisk> {
  let url = address;
  for (let followed = 0; ; followed += 1) {
    const answer = await ask(name, url, dispatcher, signal);
    // Why it ended is known by then.
    answer.body.on('error', () => undefined);
    try {
      const next = redirect(name, url, answer);
      if (next === undefined) return await read(name, url, answer);
      if (followed === maxRedirects) throw unsupported(name, `redirects more than ${maxRedirects} times`);
      await drain(answer);
      url = next;
    } catch (error) {
      answer.body.destroy();
      signal.throwIfAborted();
      throw afterFailure(name, error);
    }
  }
}

async function ask(
  name: string,
  url: URL,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  try {
    const request = rangeRequest(url, { offset: 0, length: headBytes });
    return await dispatcher.request({
      ...request,
      signal,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw afterFailure(name, error);
  }
}

/** Where the server sends us, when it does. Never to where others could read along or answer. */
function redirect(
  name: string,
  from: URL,
  { statusCode, headers }: Dispatcher.ResponseData,
): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(statusCode)) return undefined;
  const location = one(headers.location) ?? '';
  if (!URL.canParse(location, from)) throw unsupported(name, 'redirects to what is no address');
  const to = new URL(location, from);
  if (to.protocol !== 'https:' || !isWebAddress(to.href))
    throw unsupported(name, `redirects to an address that does not begin with https://`);
  if (to.origin === from.origin && to.username === '')
    [to.username, to.password] = [from.username, from.password];
  return to;
}

async function read(name: string, url: URL, answer: Dispatcher.ResponseData): Promise<AskedDisk> {
  checkStatus(name, answer.statusCode);
  const { headers } = answer;
  const encoding = one(headers['content-encoding']);
  if (encoding !== undefined && encoding !== 'identity')
    throw unsupported(name, 'is sent compressed although that was not asked for');
  const stated = contentRange(one(headers['content-range']));
  if (stated === undefined || stated.total === '*')
    throw unsupported(name, 'is sent in parts whose place or whole size the server does not say');
  const sizeBytes = Number(stated.total);
  const length = Math.min(headBytes, sizeBytes);
  if (stated.first !== 0 || stated.last !== length - 1)
    throw unsupported(name, 'is sent in other parts than were asked for');
  if (sizeBytes > maxSizeBytes) throw unsupported(name, `is said to have ${sizeBytes} bytes`);
  const validator = validatorOf(name, headers);
  return { url, sizeBytes, validator, head: await bodyOf(name, answer, length) };
}

function checkStatus(name: string, statusCode: number): void {
  if (statusCode === 206) return;
  if (statusCode === 200) throw unsupported(name, 'is sent whole where a part was asked for');
  if (statusCode === 404 || statusCode === 410) throw gone(name, statusCode);
  if (statusCode === 416) throw unsupported(name, 'has not one byte, or is not sent in parts');
  throw denied(name, statusCode);
}

/** See `Validator`. A tag that is weak stands for more than one content, and a date beside it does not help. */
function validatorOf(name: string, headers: Dispatcher.ResponseData['headers']): Validator {
  const etag = one(headers.etag);
  if (etag !== undefined) {
    if (/^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag)) return { etag };
    throw unsupported(name, 'has a weak ETag: it could change without being noticed');
  }
  const lastModified = one(headers['last-modified']);
  if (lastModified === undefined)
    throw unsupported(name, 'has neither ETag nor Last-Modified: it could change without being noticed');
  const age = Date.parse(one(headers.date) ?? '') - Date.parse(lastModified);
  if (!(age >= settledMs))
    throw unsupported(
      name,
      'has no ETag, and a Last-Modified of this very minute or none at all: it could change without being noticed',
      'Wait a minute, then retry.',
    );
  return { lastModified };
}

async function bodyOf(name: string, { body }: Dispatcher.ResponseData, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let got = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    got += piece.length;
    if (got > length) throw unsupported(name, 'is sent in longer parts than were asked for');
  }
  if (got < length) throw afterFailure(name, new Error(`the answer ended ${length - got} bytes early`));
  return Buffer.concat(pieces);
}
