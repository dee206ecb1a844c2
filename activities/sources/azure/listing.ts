import { z } from 'zod';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureConnection } from './connect.ts';

/** No listing is longer: a server that never ends its pages is given up. */
const maxPages = 5_000;

/** The part of the SDK's PagedAsyncIterableIterator that is used. */
interface Paged {
  byPage(): AsyncIterable<unknown[]>;
}

/**
 * All items of a listing, page by page; a request for each page and no other.
 *
 * @param doing completes "Azure refused to": `list the disks`
 * @throws LonghaulError as {@link AzureConnection.ask} does.
 */
export async function listAll<T extends z.ZodType>(
  azure: Pick<AzureConnection, 'ask'>,
  doing: string,
  shape: T,
  list: () => Paged,
): Promise<z.output<T>[]> {
  const pages = await azure.ask(doing, async () => {
    const read: unknown[][] = [];
    for await (const page of list().byPage()) {
      read.push(page);
      if (read.length > maxPages) throw new RangeError(`the list has more than ${maxPages} pages`);
    }
    return read;
  });
  return pages.flat().map((item) => parseAnswer(doing, shape, item));
}

/** What Azure answered, when it has the expected shape. */
export function parseAnswer<T extends z.ZodType>(doing: string, shape: T, answer: unknown): z.output<T> {
  const parsed = shape.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new LonghaulError(
    'AZURE_FAILED',
    {
      found: `to ${doing} Azure answered what cannot be read: ${z.prettifyError(parsed.error).slice(0, 400)}`,
      remedy: 'See that cloud and address of Resource Manager are right; report it if they are.',
    },
    parsed.error,
  );
}
