import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';

/** Answers a request in its own way, or leaves it to the server by returning false. */
export type Misbehaviour = (ask: Ask, response: ServerResponse) => boolean | Promise<boolean>;

export interface Ask {
  /** Counted from 1. */
  count: number;
  first: number;
  last: number;
  request: IncomingMessage;
}

/** PEM. */
interface Identity {
  key: Buffer;
  cert: Buffer;
}

/** A web server with one disk that honours ranges, and faults that a test gives it. */
export class RangeServer {
  /** Number of range requests so far. */
  asked = 0;
  /** Bytes of bodies that it sent. */
  sentBytes = 0;
  misbehave: Misbehaviour = () => false;
  #disk: Buffer;
  #etag: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Sockets there ever were. */
  connections = 0;

  readonly #scheme: 'http' | 'https';

  private constructor(disk: Buffer, tls: Identity | undefined) {
    this.#disk = disk;
    this.#etag = etagOf(disk);
    this.#scheme = tls === undefined ? 'http' : 'https';
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    };
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param tls with which it speaks TLS, when it is to */
  static async start(disk: Buffer, tls?: Identity): Promise<RangeServer> {
    const server = new RangeServer(disk, tls);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): URL {
    return new URL(
      `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/disk.vhd?sig=secret`,
    );
  }

  get etag(): string {
    return this.#etag;
  }

  get disk(): Buffer {
    return this.#disk;
  }

  /** Somebody writes to the disk. */
  replace(disk: Buffer): void {
    this.#disk = disk;
    this.#etag = etagOf(disk);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    this.asked += 1;
    const ask = { count: this.asked, first: Number(first), last: Number(last), request };
    if (await this.misbehave(ask, response)) return;
    if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== this.#etag) {
      response.writeHead(412).end();
      return;
    }
    this.send(ask, response);
  }

  /** The range as it should be; `body` and `headers` are for what should not. */
  send(
    { first, last }: Ask,
    response: ServerResponse,
    {
      body = this.#disk.subarray(first, last + 1),
      headers = {},
    }: { body?: Buffer; headers?: Record<string, string | number> } = {},
  ): void {
    response.writeHead(206, {
      etag: this.#etag,
      'content-length': last - first + 1,
      'content-range': `bytes ${first}-${last}/${this.#disk.length}`,
      ...headers,
    });
    this.sentBytes += body.length;
    response.end(body);
  }
}

const etagOf = (disk: Buffer) => `"${createHash('md5').update(disk).digest('hex')}"`;
