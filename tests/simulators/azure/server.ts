import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultEffect, Faults } from './faults.ts';
import type { RequestLog, ServiceName } from './request-log.ts';
import type { Settings } from './settings.ts';

/** What all servers of the simulator share. */
export interface Surroundings {
  settings: Settings;
  faults: Faults;
  requests: RequestLog;
}

/** A request that was read whole. */
export interface Call {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** Sent as JSON; nothing is sent when left out. */
  body?: unknown;
}

export type Exchange = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

export interface Server {
  origin: string;
  close(): Promise<void>;
}

interface ServerOptions {
  service: ServiceName;
  /** Without it the server speaks plain HTTP. */
  tls?: { cert: Buffer; key: Buffer };
  surroundings: Surroundings;
  /** Answers requests that meet no fault. */
  exchange: Exchange;
  /** The answer that a fault stands for, in the form of this service. */
  faultReply: (effect: FaultEffect & { kind: 'status' }, url: URL) => Reply;
}

/** A server on a free port of the loopback interface that logs, delays and lets faults happen. */
export async function serve(options: ServerOptions): Promise<Server> {
  const { service, tls, surroundings } = options;
  const state = { origin: '' };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', state.origin);
    logInto(surroundings.requests, { service, request, response, url });
    answer(options, request, response, url).catch((error: unknown) => {
      if (!response.headersSent) send(response, { status: 500, body: { error: { message: String(error) } } });
      else response.destroy();
    });
  };
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener);
  // A connection that ends just as a client uses it again would be a fault that no test asked for.
  server.keepAliveTimeout = 600_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  state.origin = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin: state.origin,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Logs a request when it comes; its status is there before the first byte of the answer leaves. */
function logInto(
  log: RequestLog,
  {
    service,
    request,
    response,
    url,
  }: { service: ServiceName; request: IncomingMessage; response: ServerResponse; url: URL },
): void {
  log.add({
    service,
    method: request.method ?? '',
    path: url.pathname,
    apiVersion: url.searchParams.get('api-version'),
    comp: url.searchParams.get('comp'),
    range: request.headers['x-ms-range']?.toString() ?? request.headers.range,
    get status() {
      return response.headersSent ? response.statusCode : 0;
    },
  });
}

async function answer(
  { service, surroundings, exchange, faultReply }: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const { latencyMs } = surroundings.settings;
  if (latencyMs > 0) await sleep(latencyMs);
  const effect = surroundings.faults.take(service, request.method ?? '', url.pathname);
  switch (effect?.kind) {
    case undefined:
      return exchange(request, response, url);
    case 'hang':
      return;
    case 'drop':
      request.socket.destroy();
      return;
    case 'drop-after':
      // Whatever the service writes goes nowhere.
      response.writeHead = () => response;
      response.write = () => true;
      response.end = () => response.destroy();
      return exchange(request, response, url);
    case 'status':
      send(response, faultReply(effect, url));
  }
}

/** An exchange that reads the request whole and answers in JSON. */
export const jsonExchange =
  (reply: (call: Call) => Promise<Reply> | Reply): Exchange =>
  async (request, response, url) => {
    const body = await readAll(request);
    send(response, await reply({ method: request.method ?? '', url, headers: request.headers, body }));
  };

export function send(response: ServerResponse, { status, headers = {}, body }: Reply): void {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, {
    ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
