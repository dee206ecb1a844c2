import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { baseEnv, limitedCommand } from '../../activities/host/tool.ts';
import { claimablePort } from '../../workers/embedded/ports.ts';
import { serverCertificates, type ServerCertificates } from './certificates.ts';

interface WebServerOptions {
  /** Of each connection, in bytes a second. */
  rateBytesPerSecond?: number;
  /** Lines for the server's block of the configuration. */
  more?: string;
}

/** A request as the server logged it. */
interface LoggedRequest {
  /** As it was asked for, its query included. */
  path: string;
  /** `-` without one. */
  range: string;
  status: number;
  bodyBytes: number;
}

/** nginx(8) that serves a folder over TLS, with a certificate of an authority of the test's own. */
export class WebServer {
  /** What is served; files may come and go. */
  readonly folder: string;
  /** PEM of the authority: for `connect.ca`, and the file for NODE_EXTRA_CA_CERTS. */
  readonly authority: Buffer;
  readonly authorityPath: string;
  readonly #port: number;
  readonly #log: string;
  readonly #child: ChildProcess;

  private constructor(
    directory: string,
    port: number,
    certificates: ServerCertificates,
    child: ChildProcess,
  ) {
    this.folder = join(directory, 'www');
    this.authorityPath = certificates.caPath;
    this.authority = certificates.ca;
    this.#log = join(directory, 'access.log');
    this.#port = port;
    this.#child = child;
  }

  /** @param directory an empty one of the server's own */
  static async start(directory: string, options: WebServerOptions = {}): Promise<WebServer> {
    await mkdir(join(directory, 'www'), { recursive: true });
    const certificates = serverCertificates(directory);
    const port = await claimablePort(0, 'the web server of a test');
    const configuration = join(directory, 'nginx.conf');
    await writeFile(configuration, configurationOf(directory, port, options));
    const [command, args] = limitedCommand(
      'nginx',
      ['-c', configuration, '-e', join(directory, 'error.log')],
      {},
    );
    const child = spawn(command, args, { env: baseEnv, stdio: 'ignore' });
    const server = new WebServer(directory, port, certificates, child);
    await server.#untilItAnswers(join(directory, 'error.log'));
    return server;
  }

  url(name: string): string {
    return `https://localhost:${this.#port}/${name}`;
  }

  /** All requests that ended so far. */
  async requests(): Promise<LoggedRequest[]> {
    const lines = (await readFile(this.#log, 'utf8')).split('\n').filter((line) => line !== '');
    return lines.map((line) => {
      const [path = '', range = '', status, bodyBytes] = line.split(' ');
      return { path, range, status: Number(status), bodyBytes: Number(bodyBytes) };
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }

  async #untilItAnswers(errorLog: string): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(await readFile(errorLog, 'utf8'));
      // Before it listens it has made no file of its own process.
      const listening = await readFile(join(this.folder, '..', 'nginx.pid'), 'utf8').catch(() => '');
      if (listening !== '') return;
      await sleep(20);
    }
  }
}

const configurationOf = (
  directory: string,
  port: number,
  { rateBytesPerSecond, more = '' }: WebServerOptions,
) => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
events { worker_connections 512; }
http {
  log_format short '$request_uri $range_asked $status $body_bytes_sent';
  map $http_range $range_asked { '' '-'; default $http_range; }
  access_log ${directory}/access.log short;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  default_type application/octet-stream;
  keepalive_requests 100000;
  ${rateBytesPerSecond === undefined ? '' : `limit_rate ${rateBytesPerSecond};`}
  server {
    listen 127.0.0.1:${port} ssl;
    server_name localhost;
    ssl_certificate ${directory}/server.pem;
    ssl_certificate_key ${directory}/server.key;
    root ${directory}/www;
    ${more}
  }
}
`;
