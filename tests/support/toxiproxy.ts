import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { limitedCommand } from '../../activities/host/tool.ts';
import { claimablePort } from '../../workers/embedded/ports.ts';
import { goPrograms } from './go-programs.ts';

/** What is done to connections; https://github.com/Shopify/toxiproxy#toxics. */
export interface Toxic {
  type: 'bandwidth' | 'latency' | 'limit_data' | 'reset_peer' | 'slicer' | 'timeout';
  attributes: Readonly<Record<string, number>>;
  /** Share of the connections that it is done to; all when left out. */
  toxicity?: number;
}

/** A port that hands connections on to another one, and spoils them on request. */
export class Toxiproxy {
  readonly port: number;
  readonly #api: string;
  readonly #stop: () => Promise<void>;

  private constructor(port: number, api: string, stop: () => Promise<void>) {
    this.port = port;
    this.#api = api;
    this.#stop = stop;
  }

  static async before(upstreamPort: number): Promise<Toxiproxy> {
    const apiPort = await claimablePort(0, 'toxiproxy');
    const options = ['-host', '127.0.0.1', '-port', String(apiPort)];
    const [command, args] = limitedCommand(await program(), options, {});
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'close');
    const api = `http://127.0.0.1:${apiPort}`;
    while (!(await answers(`${api}/version`))) {
      if (child.exitCode !== null) throw new Error('toxiproxy has ended');
      await sleep(50);
    }
    const made = await post(`${api}/proxies`, {
      name: 'upstream',
      listen: '127.0.0.1:0',
      upstream: `127.0.0.1:${upstreamPort}`,
      enabled: true,
    });
    const { port } = new URL(`tcp://${z.object({ listen: z.string() }).parse(made).listen}`);
    return new Toxiproxy(Number(port), `${api}/proxies/upstream`, async () => {
      child.kill('SIGTERM');
      await ended;
    });
  }

  /** Of bytes on their way from the server. */
  async add({ type, attributes, toxicity = 1 }: Toxic): Promise<void> {
    await post(`${this.#api}/toxics`, { type, stream: 'downstream', toxicity, attributes });
  }

  /** Refuses connections, and ends those that are there; or takes them again. */
  async enable(enabled: boolean): Promise<void> {
    // Without its port it would get another one.
    await post(this.#api, { listen: `127.0.0.1:${this.port}`, enabled });
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}

/** Built once, from the Go module. */
async function program(): Promise<string> {
  const directory = await goPrograms({
    name: 'toxiproxy',
    version: 'v2.5.0',
    programs: { toxiproxy: 'github.com/Shopify/toxiproxy/v2/cmd/server' },
  });
  return join(directory, 'toxiproxy');
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function post(url: string, body: object): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`toxiproxy answers ${answer.status}: ${text}`);
  return JSON.parse(text);
}
