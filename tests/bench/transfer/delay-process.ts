import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * `delay-process.ts ADDRESS PORT UPSTREAM-PORT MS`: relays TCP with so many milliseconds in each direction, as a
 * long line has them, and as much under way as comes. Where the kernel has no netem. Says when it listens.
 */
const [address = '', port, upstreamPort, ms] = process.argv.slice(2);
const delayMs = Number(ms);
/** Of a direction of a connection; no line of ours holds as much. */
const mostHeldBytes = 16 * 1024 ** 2;

createServer({ noDelay: true }, (client) => {
  const upstream = connect({ host: address, port: Number(upstreamPort), noDelay: true });
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy());
    relay(from, to).catch(() => to.destroy());
  }
}).listen(Number(port), address, () => {
  console.log('listens');
});

async function relay(from: Socket, to: Socket): Promise<void> {
  const held: { bytes: Buffer; dueMs: number }[] = [];
  let heldBytes = 0;
  const gone = new Promise((resolve) => to.once('close', resolve));
  let wake = () => undefined as unknown;
  from.on('data', (bytes: Buffer) => {
    held.push({ bytes, dueMs: performance.now() + delayMs });
    heldBytes += bytes.length;
    if (heldBytes > mostHeldBytes) from.pause();
    wake();
  });
  from.on('close', () => {
    wake();
  });
  for (;;) {
    const first = held.shift();
    if (first === undefined) {
      if (from.closed) break;
      await new Promise((resolve) => (wake = () => resolve(undefined)));
      continue;
    }
    const waitMs = first.dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    heldBytes -= first.bytes.length;
    if (heldBytes < mostHeldBytes && from.isPaused()) from.resume();
    if (!to.write(first.bytes)) await Promise.race([once(to, 'drain'), gone]);
    if (to.destroyed) break;
  }
  to.end();
}
