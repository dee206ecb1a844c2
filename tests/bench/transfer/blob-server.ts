import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { limitedCommand } from '../../../activities/host/tool.ts';
import { run } from '../../guests/lib/run.ts';

export interface Place {
  address: string;
  /** A command that starts programs where that address is, if any. */
  wrapper?: readonly string[];
}

/** What the server's log says of some time. */
export interface Traffic {
  /** Sent and received, heads included. */
  bytes: number;
  requests: number;
  /** Sockets there were. */
  connections: number;
}

const port = 18_080;

/** nginx in a directory of its own, with its files in memory, so that it is never what is waited for. */
export class BlobServer {
  readonly address: string;
  readonly port = port;
  /** Its files; in memory. */
  readonly root: string;
  readonly #child: ChildProcess;
  readonly #log: string;
  #told = 0;

  private constructor(dir: string, address: string, child: ChildProcess) {
    this.root = join(dir, 'root');
    this.address = address;
    this.#log = join(dir, 'access.log');
    this.#child = child;
  }

  /** @param tls files with which it speaks TLS, when it is to */
  static async start(
    dir: string,
    { address, wrapper = [] }: Place,
    tls?: { certPath: string; keyPath: string },
  ): Promise<BlobServer> {
    await mkdir(join(dir, 'root'), { recursive: true });
    await writeFile(join(dir, 'nginx.conf'), configuration(address, tls));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4g,mode=0755', 'longhaul-bench', join(dir, 'root')]);
    const nginx = [...wrapper, 'nginx', '-p', dir, '-c', 'nginx.conf', '-e', 'error.log'];
    const [command, args] = limitedCommand(nginx[0] ?? '', nginx.slice(1), {});
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    const server = new BlobServer(dir, address, child);
    await server.#listens(wrapper);
    return server;
  }

  get origin(): string {
    return `http://${this.address}:${this.port}`;
  }

  /** Since the last question. */
  async traffic(): Promise<Traffic> {
    // A line is written when its answer has left.
    await sleep(200);
    const lines = (await readFile(this.#log, 'utf8')).split('\n').slice(0, -1);
    const answers = lines.slice(this.#told).map((line) => line.split(' ').map(Number));
    this.#told = lines.length;
    return {
      bytes: answers.reduce((sum, [sent = 0, received = 0]) => sum + sent + received, 0),
      requests: answers.length,
      connections: new Set(answers.map(([, , connection]) => connection)).size,
    };
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await ended;
    await run('umount', [this.root]);
  }

  async #listens(wrapper: readonly string[]): Promise<void> {
    const [program, ...args] = [...wrapper, 'ss', '-tlnH', `sport = :${this.port}`];
    for (let tries = 0; tries < 200; tries += 1) {
      if ((await run(program, args)).stdout !== '') return;
      await sleep(50);
    }
    throw new Error(`nginx does not listen on port ${this.port}`);
  }
}

/** One process, which ends with the bench; it fills several links of 1 Gbit/s. */
const configuration = (address: string, tls?: { certPath: string; keyPath: string }) => `
daemon off;
master_process off;
user root;
pid nginx.pid;
events { worker_connections 1024; }
http {
  log_format bench '$bytes_sent $request_length $connection';
  access_log access.log bench;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  server {
    listen ${address}:${port} ${tls === undefined ? '' : 'ssl'};
    ${tls === undefined ? '' : `ssl_certificate ${tls.certPath}; ssl_certificate_key ${tls.keyPath};`}
    root root;
  }
}
`;
