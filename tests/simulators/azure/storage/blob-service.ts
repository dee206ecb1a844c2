import { Agent, request, type Dispatcher } from 'undici';
import { sharedKey, type Account } from './shared-key.ts';

const serviceVersion = '2020-10-02';

/** Where a blob is. */
export interface BlobName {
  container: string;
  blob: string;
}

/** A stored access policy of a container. */
export interface AccessPolicy {
  id: string;
  startsAtMs: number;
  expiresAtMs: number;
}

interface Ask {
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

/** The owner's side of the blob service: what the disk provider of Azure does behind its API. */
export class BlobService {
  readonly origin: string;
  readonly account: Account;
  readonly #agent: Agent;

  constructor(origin: string, account: Account, ca: Buffer) {
    this.origin = origin;
    this.account = account;
    this.#agent = new Agent({ connections: 4, connect: { ca } });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async createContainer(container: string): Promise<void> {
    await this.#ask('PUT', container, { query: { restype: 'container' } });
  }

  async deleteContainer(container: string): Promise<void> {
    await this.#ask('DELETE', container, { query: { restype: 'container' } });
  }

  /** Replaces the container's policies; SAS that name one that is gone are refused from then on. */
  async setPolicies(container: string, policies: readonly AccessPolicy[]): Promise<void> {
    const time = (ms: number) => new Date(ms).toISOString();
    const identifiers = policies.map(
      ({ id, startsAtMs, expiresAtMs }) =>
        `<SignedIdentifier><Id>${id}</Id><AccessPolicy><Start>${time(startsAtMs)}</Start><Expiry>${time(expiresAtMs)}</Expiry><Permission>r</Permission></AccessPolicy></SignedIdentifier>`,
    );
    const body = `<?xml version="1.0" encoding="utf-8"?><SignedIdentifiers>${identifiers.join('')}</SignedIdentifiers>`;
    const headers = { 'content-type': 'application/xml' };
    await this.#ask('PUT', container, { query: { restype: 'container', comp: 'acl' }, headers, body });
  }

  async createPageBlob({ container, blob }: BlobName, sizeBytes: number): Promise<void> {
    const headers = { 'x-ms-blob-type': 'PageBlob', 'x-ms-blob-content-length': String(sizeBytes) };
    await this.#ask('PUT', `${container}/${blob}`, { headers });
  }

  /** At most 4 MiB, at a multiple of 512. */
  async putPages({ container, blob }: BlobName, offset: number, body: Buffer): Promise<void> {
    const headers = {
      'x-ms-page-write': 'update',
      'x-ms-range': `bytes=${offset}-${offset + body.length - 1}`,
      'content-type': 'application/octet-stream',
    };
    await this.#ask('PUT', `${container}/${blob}`, { query: { comp: 'page' }, headers, body });
  }

  async clearPages({ container, blob }: BlobName, offset: number, length: number): Promise<void> {
    const headers = { 'x-ms-page-write': 'clear', 'x-ms-range': `bytes=${offset}-${offset + length - 1}` };
    await this.#ask('PUT', `${container}/${blob}`, { query: { comp: 'page' }, headers });
  }

  /**
   * A second blob with the content of the first as it is now. By way of a snapshot: a copy that Azurite makes
   * of a blob shares its list of pages, so that later writes to the one would show in the other.
   */
  async copy(from: BlobName, to: BlobName): Promise<void> {
    const source = `${from.container}/${from.blob}`;
    const { headers } = await this.#ask('PUT', source, { query: { comp: 'snapshot' } });
    const snapshot = encodeURIComponent(headers['x-ms-snapshot']?.toString() ?? '');
    const url = `${this.origin}/${this.account.name}/${source}?snapshot=${snapshot}`;
    await this.#ask('PUT', `${to.container}/${to.blob}`, { headers: { 'x-ms-copy-source': url } });
  }

  async #ask(
    method: 'PUT' | 'DELETE',
    path: string,
    { query = {}, headers = {}, body }: Ask,
  ): Promise<Dispatcher.ResponseData> {
    const url = new URL(`${this.origin}/${this.account.name}/${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const sent = {
      ...headers,
      'x-ms-date': new Date().toUTCString(),
      'x-ms-version': serviceVersion,
      'content-length': String(body === undefined ? 0 : Buffer.byteLength(body)),
    };
    const authorization = sharedKey(this.account, { method, url, headers: sent });
    const response = await request(url, {
      method,
      headers: { ...sent, authorization },
      ...(body === undefined ? {} : { body }),
      dispatcher: this.#agent,
    });
    const text = await response.body.text();
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return response;
  }
}
