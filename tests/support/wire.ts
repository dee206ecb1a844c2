import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { run } from '../guests/lib/run.ts';

/**
 * Network namespaces on one bridge, which has no way to any other network: machines as far as TCP can tell. Names begin
 * with a prefix of their own, and `remove` takes away all of it.
 */
export class Wire {
  /** Of the test, for those in the namespaces. */
  readonly address: string;
  readonly #prefix = `lh${randomBytes(3).toString('hex')}`;
  readonly #subnet = `10.${randomInt(200, 250)}.${randomInt(0, 250)}`;
  readonly #members: string[] = [];
  readonly #forwards: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.address = `${this.#subnet}.1`;
  }

  static async create(): Promise<Wire> {
    const wire = new Wire();
    await ip('link', 'add', wire.#bridge, 'type', 'bridge');
    await ip('address', 'add', `${wire.address}/24`, 'dev', wire.#bridge);
    await ip('link', 'set', wire.#bridge, 'up');
    return wire;
  }

  get #bridge(): string {
    return `${this.#prefix}br`;
  }

  /** Adds a namespace. @returns the command that runs another one in it */
  async join(): Promise<{ index: number; command: string[] }> {
    const index = this.#members.length;
    const [namespace, card] = [`${this.#prefix}n${index}`, this.#cardOf(index)];
    await ip('netns', 'add', namespace);
    this.#members.push(namespace);
    await ip('link', 'add', card, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await ip('link', 'set', card, 'master', this.#bridge, 'up');
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    await ip('-n', namespace, 'address', 'add', `${this.#subnet}.${index + 2}/24`, 'dev', 'eth0');
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    return { index, command: ['ip', 'netns', 'exec', namespace] };
  }

  /** Pulls the plug of a namespace. */
  async cut(index: number): Promise<void> {
    await ip('link', 'set', this.#cardOf(index), 'down');
  }

  async mend(index: number): Promise<void> {
    await ip('link', 'set', this.#cardOf(index), 'up');
  }

  #cardOf(index: number): string {
    return `${this.#prefix}v${index}`;
  }

  /** Makes a port of this machine's loopback known on the wire. @returns its address there */
  async forward(port: number): Promise<string> {
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {
          near.destroy();
          far.destroy();
        });
        socket.on('close', () => this.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    server.listen(0, this.address);
    await once(server, 'listening');
    this.#forwards.push(server);
    return `${this.address}:${(server.address() as AddressInfo).port}`;
  }

  /** Whatever ran in the namespaces has to be gone. */
  async remove(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#forwards) server.close();
    for (const namespace of this.#members) await ip('netns', 'delete', namespace);
    await ip('link', 'delete', this.#bridge);
  }
}

const ip = (...args: string[]) => run('ip', args);
