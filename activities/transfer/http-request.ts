import type { Dispatcher } from 'undici';
import { unescaped } from '../../contracts/disk-address.ts';
import type { Extent } from './extents.ts';

/**
 * A request for some bytes as they are stored. A user in the address is sent as its server expects it, RFC 7617,
 * and so to nobody that it may redirect to.
 */
export function rangeRequest(
  url: URL,
  { offset, length }: Extent,
  headers: Readonly<Record<string, string>> = {},
): { origin: string; path: string; method: 'GET'; headers: Record<string, string> } {
  return {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: 'GET',
    headers: {
      ...headers,
      ...credentialsOf(url),
      range: `bytes=${offset}-${offset + length - 1}`,
      'accept-encoding': 'identity',
    },
  };
}

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const plain = `${unescaped(username)}:${unescaped(password)}`;
  return { authorization: `Basic ${Buffer.from(plain).toString('base64')}` };
}

/** The first of a header that may be there several times. */
export const one = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;

/** Answers that may be others a moment later. */
export const isTemporary = (statusCode: number): boolean =>
  statusCode === 408 || statusCode === 429 || statusCode >= 500;

/** Reads what is left of a short answer, so that its connection can be used again. */
export async function drain(answer: Dispatcher.ResponseData): Promise<void> {
  await answer.body.dump({ limit: 65_536 }).catch(() => undefined);
}

/** First and last byte, and the size of all, or `*`; RFC 9110, section 14.4. */
export function contentRange(
  header: string | undefined,
): { first: number; last: number; total: string } | undefined {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header ?? '') ?? [];
  return total === undefined ? undefined : { first: Number(first), last: Number(last), total };
}
