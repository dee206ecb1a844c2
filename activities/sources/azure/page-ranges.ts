import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Extent } from '../../transfer/extents.ts';
import type { BlobAnswer, SnapshotBlob } from './snapshot-blob.ts';

/** Which bytes of a snapshot hold data, or differ from an earlier one. */
export interface PageRanges {
  /** Of the blob, in bytes. */
  blobBytes: number;
  etag: string;
  /** Written pages, in order. */
  data: Extent[];
  /** Pages that were written before and read as zeros now; of a comparison only. */
  cleared: Extent[];
}

/** Ranges in one answer at most; the service's own limit. */
const mostResults = 10_000;

const range = z
  .object({ Start: z.coerce.number<string>().int().min(0), End: z.coerce.number<string>().int().min(0) })
  .refine(({ Start, End }) => End >= Start);
const answer = z.object({
  PageList: z.union([
    z.literal(''),
    z.object({
      PageRange: z.array(range).default([]),
      ClearRange: z.array(range).default([]),
      NextMarker: z.string().default(''),
    }),
  ]),
});

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  processEntities: false,
  parseTagValue: false,
  isArray: (name) => name === 'PageRange' || name === 'ClearRange',
});

/**
 * Reads the page list of a snapshot, page by page;
 * https://learn.microsoft.com/rest/api/storageservices/get-page-ranges.
 *
 * @param previous address of an earlier snapshot of the same disk: only what differs is told then
 * @throws LonghaulError TRANSFER_FAILED, TRANSFER_DENIED, SOURCE_CHANGED when the blob changes meanwhile.
 */
export async function readPageRanges(
  blob: SnapshotBlob,
  signal: AbortSignal,
  previous?: URL,
): Promise<PageRanges> {
  const headers: Record<string, string> = {};
  if (previous !== undefined) headers['x-ms-previous-snapshot-url'] = previous.href;
  const ranges: PageRanges = { blobBytes: 0, etag: '', data: [], cleared: [] };
  for (let marker = '', first = true; first || marker !== ''; first = false) {
    const query = { comp: 'pagelist', maxresults: String(mostResults), ...(marker === '' ? {} : { marker }) };
    const page = await blob.ask({ query, headers }, signal);
    const { etag, blobBytes } = factsOf(blob, page);
    if (!first && (etag !== ranges.etag || blobBytes !== ranges.blobBytes))
      throw new LonghaulError('SOURCE_CHANGED', {
        found: `${blob.name} changed while its pages were listed`,
        remedy: 'Retry: it is read anew.',
        retryable: true,
      });
    Object.assign(ranges, { etag, blobBytes });
    const list = parsed(blob, page.text);
    if (!append(ranges.data, list.data) || !append(ranges.cleared, list.cleared))
      throw unexpected(blob, 'its page list is not in order');
    if (list.next !== '' && list.next === marker) throw unexpected(blob, 'its page list does not go on');
    marker = list.next;
  }
  return ranges;
}

function factsOf(blob: SnapshotBlob, { headers }: BlobAnswer): { etag: string; blobBytes: number } {
  const blobBytes = Number(headers['x-ms-blob-content-length']);
  const etag = headers.etag;
  if (!Number.isSafeInteger(blobBytes) || blobBytes <= 0 || typeof etag !== 'string')
    throw unexpected(blob, 'its page list comes without size and ETag');
  return { etag, blobBytes };
}

function parsed(blob: SnapshotBlob, text: string): { data: Extent[]; cleared: Extent[]; next: string } {
  let document: unknown;
  try {
    document = parser.parse(text);
  } catch (error) {
    throw unexpected(blob, 'its page list is not XML', error);
  }
  const result = answer.safeParse(document);
  if (!result.success) throw unexpected(blob, 'its page list has another shape', result.error);
  const { PageList: list } = result.data;
  if (list === '') return { data: [], cleared: [], next: '' };
  const extents = (all: typeof list.PageRange) =>
    all.map(({ Start, End }) => ({ offset: Start, length: End - Start + 1 }));
  return { data: extents(list.PageRange), cleared: extents(list.ClearRange), next: list.NextMarker };
}

/** Neighbours become one: a list may cut a range in two where an answer ends. @returns false when they are not in order */
function append(to: Extent[], extents: readonly Extent[]): boolean {
  for (const extent of extents) {
    const last = to.at(-1);
    const reached = last ? last.offset + last.length : 0;
    if (extent.offset < reached) return false;
    if (last && extent.offset === reached) last.length += extent.length;
    else to.push({ ...extent });
  }
  return true;
}

function unexpected({ name }: SnapshotBlob, what: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'TRANSFER_FAILED',
    { found: `${name}: ${what}`, remedy: 'See whether a proxy between changes what the service answers.' },
    cause,
  );
}
