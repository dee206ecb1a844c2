import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../guests/lib/run.ts';

/** nginx in a directory of its own, with its files in memory, so that it is never what is waited for. */
export class BlobServer {
  readonly url: string;
  /** Its files; in memory. */
  readonly root: string;
  readonly #child: ChildProcess;
  readonly #log: string;
  #told = 0;

  private constructor(url: string, dir: string, child: ChildProcess) {
    this.url = url;
    this.root = join(dir, 'root');
    this.#log = join(dir, 'access.log');
    this.#child = child;
  }

  static async start(dir: string): Promise<BlobServer> {
    await mkdir(join(dir, 'root'), { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4g,mode=0755', 'longhaul-bench', join(dir, 'root')]);
    const port = await freePort();
    await writeFile(join(dir, 'nginx.conf'), configuration(port));
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'nginx', '-p', dir, '-c', 'nginx.conf', '-e', 'error.log'],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    );
    const server = new BlobServer(`http://127.0.0.1:${port}`, dir, child);
    await server.#answers();
    return server;
  }

  /** What it sent and was sent since the last question, heads included, and over how many connections. */
  async traffic(): Promise<{ bytes: number; requests: number; connections: number }> {
    // It is written when an answer has left.
    await sleep(100);
    const lines = (await readFile(this.#log, 'utf8')).trimEnd().split('\n').slice(this.#told);
    this.#told += lines.length;
    const asked = lines.map((line) => line.split(' ').map(Number));
    return {
      bytes: asked.reduce((sum, [sent = 0, received = 0]) => sum + sent + received, 0),
      requests: lines.length,
      connections: new Set(asked.map(([, , connection]) => connection)).size,
    };
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await once(this.#child, 'close');
    await run('umount', [this.root]);
  }

  async #answers(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        await (await fetch(this.url)).text();
        return;
      } catch (error) {
        if (tries > 100) throw error;
        await sleep(50);
      }
    }
  }
}

/** Debian's nginx with what serves files fast, and without what ends a connection before the end. */
const configuration = (port: number) => `
daemon off;
user root;
pid nginx.pid;
worker_processes 2;
events { worker_connections 1024; }
http {
  log_format bench '$bytes_sent $request_length $connection';
  access_log access.log bench;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  server { listen 127.0.0.1:${port}; root root; }
}
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
