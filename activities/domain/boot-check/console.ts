import { createWriteStream, type WriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import { ConsoleReader } from './console-reader.ts';

const maxLogBytes = 16 * 1024 * 1024;
/** A prompt is one when nothing follows it for this long. */
const settleMs = 400;

/**
 * The other end of a clone's serial port: a listener on the loopback interface that QEMU connects to. What
 * the guest writes goes into a log file (mode 0600, up to 16 MiB, or as much as the disk takes) and to a reader
 * that judges it.
 */
export class Console {
  readonly reader = new ConsoleReader();
  readonly port: number;
  readonly #server: Server;
  readonly #log: WriteStream;
  #socket: Socket | undefined;
  #logged = 0;
  #logBroken = false;
  #settleTimer: NodeJS.Timeout | undefined;

  private constructor(server: Server, log: WriteStream) {
    this.#server = server;
    this.#log = log;
    this.port = (server.address() as AddressInfo).port;
    // A full disk ends the log, not the check: what the guest says is judged as it comes.
    log.on('error', () => {
      this.#logBroken = true;
    });
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Starts to listen. `logPath` is written anew. */
  static async open(logPath: string): Promise<Console> {
    await rm(logPath, { force: true });
    const log = createWriteStream(logPath, { flags: 'wx', mode: 0o600 });
    await once(log, 'open');
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Console(server, log);
  }

  /** Ends the connection; resolves when the log, as far as it could be written, is on disk. */
  async close(): Promise<void> {
    clearTimeout(this.#settleTimer);
    this.#socket?.destroy();
    this.#server.close();
    this.#log.end();
    await finished(this.#log).catch(() => undefined);
  }

  /** QEMU comes first and once; it was started after we listened. */
  #accept(socket: Socket): void {
    if (this.#socket) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  #take(bytes: Buffer): void {
    const room = maxLogBytes - this.#logged;
    if (room > 0 && !this.#logBroken) this.#log.write(bytes.subarray(0, room));
    this.#logged += bytes.length;
    this.reader.feed(bytes);
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.reader.settle(), settleMs);
  }
}
