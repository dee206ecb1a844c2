import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLogger } from '../../../workers/logging.ts';
import { resolveWorkerOptions } from '../../../workers/options.ts';
import { startWorker } from '../../../workers/run-worker.ts';
import { startUp } from '../../../workers/up.ts';
import { startEmbeddedServer } from '../../../workers/embedded/embedded-server.ts';
import { silentLog } from '../../support/io.ts';
import { descendantsOf } from '../../support/longhaul-process.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { temporalBinary } from '../../support/temporal.ts';

const log = createLogger('silent');

/** Somebody who listens on a port; takes a free one for 0. */
async function listenOn(port: number) {
  const listener = createServer((socket) => socket.destroy());
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return { port: (listener.address() as AddressInfo).port, close: () => void listener.close() };
}

describe('longhaul up', () => {
  it('fails with a reason, and not by a stray rejection, when its server is lost while the worker starts', async () => {
    const strays: unknown[] = [];
    const note = (reason: unknown) => void strays.push(reason);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));

    const free = await listenOn(0);
    free.close();
    const options = resolveWorkerOptions({ stateDir: scratchDirectory() });
    const up = startUp(options, { port: free.port, uiPort: 0 }, log);
    const ended = up.then(
      () => undefined,
      (error: unknown) => error,
    );
    // The janitor's first act: the server is ready, and the worker is about to be made.
    while (!existsSync(join(options.stateDir, 'namespace-id'))) await sleep(20);
    const server = descendantsOf(process.pid).find(({ command }) => command.includes(`--port ${free.port}`));
    if (server === undefined) throw new Error('the server is none of our processes');
    process.kill(server.pid, 'SIGKILL');
    // It gives its port back when it is dead, and takes it again a second later.
    const usurper = await vi.waitFor(() => listenOn(free.port), { interval: 20, timeout: 60_000 });
    onTestFinished(usurper.close);
    expect(await ended).toMatchObject({ code: expect.stringMatching(/^TEMPORAL_/) as string });
    expect(strays).toEqual([]);
  });
});

describe('a worker that cannot start', () => {
  it('says why, though its connection cannot be closed either', async () => {
    const stateDir = scratchDirectory();
    const binary = await temporalBinary();
    const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
    onTestFinished(() => server.stop());
    const { address, namespace } = server;
    const options = resolveWorkerOptions({ stateDir, slots: Number.NaN });
    const temporal = { address, namespace, connection: { address } };
    await expect(startWorker({ ...options, temporal }, log)).rejects.not.toThrow(/hold a reference/);
  });
});
