import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ProxySettings } from '../../../activities/transfer/connection-pool.ts';
import { download } from '../../../activities/transfer/download.ts';
import { fixedAccess } from '../../../activities/transfer/http-access.ts';
import { HttpRangeSource } from '../../../activities/transfer/http-source.ts';
import { createTransferPlane, type TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { makeCertificates } from '../../simulators/azure/certificates.ts';
import { RangeServer } from '../../support/range-server.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const KiB = 1024;
const sizeBytes = 1024 * KiB;
const connections = 4;

let server: RangeServer;
let scratch: string;
beforeEach(async () => {
  scratch = scratchDirectory();
  server = await RangeServer.start(randomBytes(sizeBytes));
});
afterEach(() => server.close());

function newPlane(proxy?: ProxySettings): TransferPlane {
  const plane = createTransferPlane({ connections, ...(proxy === undefined ? {} : { proxy }) });
  onTestFinished(() => plane.close());
  return plane;
}

/** Fetches the server's disk so many times, all at once. */
async function fetchDisks(count: number, plane: TransferPlane, url = server.url): Promise<void> {
  const fetching = Array.from({ length: count }, async (_, index) => {
    const path = join(scratch, `disk${index}`);
    const disk = { name: 'a disk', access: fixedAccess(url), etag: server.etag, sizeBytes };
    const extents = [{ offset: 0, length: sizeBytes }];
    await download({
      path,
      journalPath: `${path}.journal`,
      open: () => Promise.resolve(new HttpRangeSource({ ...disk, extents }, plane.dispatcher)),
      connections,
      chunkBytes: 64 * KiB,
      limits: [],
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    expect((await readFile(path)).equals(server.disk)).toBe(true);
  });
  await Promise.all(fetching);
}

describe('the connections of a worker', () => {
  it('are as many as configured for ten disks at once, and are used again', async () => {
    const plane = newPlane();
    await fetchDisks(10, plane);
    expect(server.asked).toBe(10 * (sizeBytes / (64 * KiB)));
    expect(server.connections).toBe(connections);
  });

  it('go through the proxy, and are no more than configured there', async () => {
    const proxy = await Proxy.start();
    await fetchDisks(10, newPlane({ http: proxy.url }));
    expect(proxy.asked).toBe(server.asked);
    expect(proxy.connections).toBe(connections);
  });

  it('go past the proxy to hosts that need none', async () => {
    const proxy = await Proxy.start();
    await fetchDisks(1, newPlane({ http: proxy.url, none: 'other.example,127.0.0.1' }));
    expect(proxy.asked).toBe(0);
  });

  it('tunnel TLS through the proxy, as many as configured', async () => {
    const certificates = makeCertificates(scratch);
    const before = getCACertificates();
    setDefaultCACertificates([...before, certificates.ca.toString()]);
    onTestFinished(() => {
      setDefaultCACertificates(before);
    });
    await server.close();
    server = await RangeServer.start(randomBytes(sizeBytes), certificates);
    const proxy = await Proxy.start();
    await fetchDisks(10, newPlane({ https: proxy.url }));
    expect(proxy.tunnels).toBe(connections);
    expect(proxy.asked).toBe(0);
  });

  it('do not mind the environment', async () => {
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    onTestFinished(() => {
      delete process.env['http_proxy'];
    });
    await fetchDisks(1, newPlane());
  });
});

/** A proxy for HTTP; RFC 9110, sections 3.7 and 9.3.6. */
class Proxy {
  /** Requests in plain text, tunnels, and sockets there ever were. */
  asked = 0;
  tunnels = 0;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#forward(request, response);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
    });
    this.#server.on('connect', (request: IncomingMessage, socket: Socket) => {
      this.tunnels += 1;
      const [host = '', port] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on('error', () => end.destroy());
    });
  }

  static async start(): Promise<Proxy> {
    const proxy = new Proxy();
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    onTestFinished(() => {
      proxy.#server.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    this.asked += 1;
    const { headers } = request;
    ask(request.url ?? '', { headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    }).end();
  }
}
