import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';
import { once } from 'node:events';
import { send, type Reply } from '../server.ts';
import type { Settings } from '../settings.ts';
import { blobError, type BlobError } from './blob-error.ts';
import type { FrozenContent } from './disk-content.ts';
import { difference, joined, parsePageList, renderPageList, type PageRange } from './page-list.ts';

/** From this version of the service on, page lists come in pages. */
const pagedSince = '2020-10-02';
const previousSnapshot = 'x-ms-previous-snapshot-url';

/** The service computes the MD5 of ranges up to this length, and refuses to for longer ones. */
const maxDigestBytes = 4 * 1024 * 1024;

/**
 * Stands before Azurite, ends TLS and hands through what Azurite does as the service does. To page lists it
 * adds what Azurite does not have: ranges that touch are one range, `maxresults` and `marker`, and the
 * difference to an earlier snapshot of the same disk (`x-ms-previous-snapshot-url`). It refuses two requests
 * for ranges that the service refuses and Azurite does not. Azurite remains the judge of every signature.
 */
export class BlobFront {
  readonly #azurite: URL;
  readonly #frozen: ReadonlyMap<string, FrozenContent>;
  readonly #settings: Settings;
  readonly #agent = new HttpAgent({ keepAlive: true });

  constructor(azurite: string, frozen: ReadonlyMap<string, FrozenContent>, settings: Settings) {
    this.#azurite = new URL(azurite);
    this.#frozen = frozen;
    this.#settings = settings;
  }

  async exchange(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const lists = request.method === 'GET' && url.searchParams.get('comp') === 'pagelist';
    const answer = await this.#ask(request, response);
    if (lists && answer.statusCode === 200) return this.#pageList(request, response, url, answer);
    const refusal = refusalOf(request, answer);
    if (refusal) {
      answer.destroy();
      send(response, refusal);
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    // A client that goes away mid-way ends the answer of Azurite, too.
    await pipeline(answer, response).catch(() => answer.destroy());
  }

  async #ask(request: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
    const { hostname, port } = this.#azurite;
    const asked = httpRequest({
      ...{ hostname, port, agent: this.#agent, method: request.method, path: request.url },
      headers: { ...request.headers, host: this.#azurite.host },
    });
    response.on('close', () => {
      if (!response.writableFinished) asked.destroy();
    });
    request.pipe(asked);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }

  async #pageList(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    answer: IncomingMessage,
  ): Promise<void> {
    const data = joined(parsePageList(await text(answer)));
    const earlier = request.headers[previousSnapshot]?.toString();
    const ranges =
      earlier !== undefined
        ? await this.#changed(url, new URL(earlier), data)
        : // A disk's blob has no snapshots of its own.
          url.searchParams.has('prevsnapshot')
          ? previousNotFound
          : data;
    if (!Array.isArray(ranges)) {
      send(response, blobError(ranges));
      return;
    }

    const paged = (request.headers['x-ms-version']?.toString() ?? '') >= pagedSince;
    const start = paged ? Number(url.searchParams.get('marker') ?? 0) : 0;
    const most = Number(url.searchParams.get('maxresults') ?? this.#settings.pageListSize);
    const count = paged ? Math.min(most, this.#settings.pageListSize) : Infinity;
    const marker = start + count < ranges.length ? String(start + count) : undefined;
    const body = renderPageList(ranges.slice(start, start + count), marker);
    // Azurite sends its list in chunks.
    const kept = Object.entries(answer.headers).filter(([name]) => name !== 'transfer-encoding');
    const headers = {
      ...Object.fromEntries(kept),
      'content-length': Buffer.byteLength(body),
      'content-type': 'application/xml',
    };
    response.writeHead(200, headers);
    response.end(body);
  }

  /** What changed between two snapshots of one disk, the earlier of which this SAS must be able to read, too. */
  async #changed(url: URL, earlier: URL, data: PageRange[]): Promise<PageRange[] | BlobError> {
    const status = await this.#probe(earlier);
    if (status !== 200)
      return { status, code: 'CannotVerifyCopySource', message: 'The previous snapshot cannot be read.' };
    const [to, from] = [url, earlier].map(({ pathname }) => this.#frozen.get(pathname.split('/')[2] ?? ''));
    if (!to || !from || to.disk !== from.disk) return previousNotFound;
    if (from.changes > to.changes)
      return {
        status: 409,
        code: 'PreviousSnapshotCannotBeNewer',
        message:
          'The prevsnapshot query parameter value cannot be newer than snapshot query parameter value.',
      };
    return difference(to.disk.changes.slice(from.changes, to.changes), data);
  }

  async #probe({ pathname, search }: URL): Promise<number> {
    const { hostname, port } = this.#azurite;
    const asked = httpRequest({
      hostname,
      port,
      agent: this.#agent,
      method: 'HEAD',
      path: pathname + search,
    });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode ?? 502;
  }
}

const previousNotFound: BlobError = {
  status: 409,
  code: 'PreviousSnapshotNotFound',
  message: 'The previous snapshot is not found.',
};

/** What the service says to a request that Azurite granted. */
function refusalOf(request: IncomingMessage, { statusCode, headers }: IncomingMessage): Reply | undefined {
  if (statusCode !== 206) return undefined;
  // Azurite sends an empty range when asked for one that starts where the blob ends.
  const [, size] = /\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (headers['content-length'] === '0')
    return blobError(
      {
        status: 416,
        code: 'InvalidRange',
        message: 'The range specified is invalid for the current size of the resource.',
      },
      { 'content-range': `bytes */${size}` },
    );
  const digest = request.headers['x-ms-range-get-content-md5'] === 'true';
  if (digest && Number(headers['content-length']) > maxDigestBytes)
    return blobError({
      status: 400,
      code: 'InvalidHeaderValue',
      message: 'The value for one of the HTTP headers is not in the correct format.',
    });
  return undefined;
}

async function text(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
