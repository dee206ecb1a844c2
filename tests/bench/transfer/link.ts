import { run } from '../../guests/lib/run.ts';
import type { Place } from './blob-server.ts';

const [server, client] = ['longhaul-bench-server', 'longhaul-bench-client'];
/** Of the range for benchmarks; RFC 2544. */
const [serverAddress, clientAddress] = ['198.18.0.1', '198.18.0.2'];

/** Two network namespaces with a link of 1 Gbit/s between them; tc-tbf(8). */
export class Link {
  readonly server: Place & { wrapper: readonly string[] };
  readonly client: Place & { wrapper: readonly string[] };

  private constructor() {
    const inside = (name: string) => ['ip', 'netns', 'exec', name];
    this.server = { address: serverAddress, wrapper: inside(server) };
    this.client = { address: clientAddress, wrapper: inside(client) };
  }

  static async start(): Promise<Link> {
    await removeNamespaces();
    await run('ip', ['netns', 'add', server]);
    await run('ip', ['netns', 'add', client]);
    const link = ['link', 'add', 'link0', 'netns', server, 'type', 'veth'];
    await run('ip', [...link, 'peer', 'name', 'link0', 'netns', client]);
    for (const [name, address] of [
      [server, serverAddress],
      [client, clientAddress],
    ] as const) {
      const ip = (...args: string[]) => run('ip', ['-n', name, ...args]);
      await ip('address', 'add', `${address}/24`, 'dev', 'link0');
      await ip('link', 'set', 'lo', 'up');
      await ip('link', 'set', 'link0', 'up');
      // The queue is one of a usual switch: 20 ms.
      const shape = ['tbf', 'rate', '1gbit', 'burst', '256kb', 'latency', '20ms'];
      await run('tc', ['-n', name, 'qdisc', 'add', 'dev', 'link0', 'root', ...shape]);
    }
    return new Link();
  }

  async stop(): Promise<void> {
    await removeNamespaces();
  }
}

async function removeNamespaces(): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list']);
  for (const name of [server, client])
    if (stdout.split(/\s/).includes(name)) await run('ip', ['netns', 'delete', name]);
}
