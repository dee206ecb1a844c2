import { resolveEmbeddedOptions, type UpOverrides, type WorkerOptions } from './options.ts';
import { startEmbeddedServer, type EmbeddedServer } from './embedded/embedded-server.ts';
import { findTemporalBinary } from './embedded/temporal-binary.ts';
import { createLogger, type Logger } from './logging.ts';
import { startWorker, type RunningWorker } from './run-worker.ts';

/** Pause before a server that ended by itself is started again. */
const restartPauseMs = 1_000;

export interface Up {
  address: string;
  uiUrl: string;
  hostId: string;
  slots: number;
  stop(): Promise<void>;
  /** Resolves when everything has stopped, asked to or not. */
  stopped: Promise<void>;
}

/**
 * Starts the embedded server and a worker in this process's care. A server that dies is started again on the
 * same ports and database; the worker waits for it meanwhile, and no migration notices.
 *
 * @throws LonghaulError TEMPORAL_BINARY_MISSING, TEMPORAL_START_FAILED, TEMPORAL_ALREADY_RUNNING
 */
export async function startUp(
  options: WorkerOptions,
  ports: UpOverrides,
  log: Logger = createLogger(options.logLevel),
): Promise<Up> {
  const binary = await findTemporalBinary({
    ...resolveEmbeddedOptions(),
    say: (what) => {
      log.info({}, what);
    },
  });
  const start = (at: UpOverrides) =>
    startEmbeddedServer({ binary: binary.path, stateDir: options.stateDir, log, ...at });
  let server: EmbeddedServer = await start(ports);
  const { address, uiUrl } = server;
  let stopping = false;
  const isStopping = () => stopping;

  const supervise = async () => {
    for (;;) {
      const how = await server.ended;
      if (stopping) return;
      log.error({ how }, 'the Temporal server ended by itself; starting it again');
      await new Promise((resolve) => setTimeout(resolve, restartPauseMs));
      if (isStopping()) return;
      server = await start({ port: portOf(address), uiPort: portOf(new URL(uiUrl).host) });
      log.info({ address }, 'the Temporal server is back');
    }
  };
  const supervised = supervise();

  const temporal = { address, namespace: server.namespace, connection: { address } };
  const starting = startWorker({ ...options, temporal }, log);
  let worker: RunningWorker;
  try {
    // A server that cannot be brought back ends the start with its own reason; the worker knows of none.
    worker = await Promise.race([starting, supervised.then(() => starting)]);
  } catch (error) {
    stopping = true;
    void starting.then((late) => late.shutdown()).catch(() => undefined);
    await server.stop();
    throw error;
  }
  const stopped = Promise.race([worker.stopped, supervised]).finally(async () => {
    stopping = true;
    try {
      await worker.shutdown();
    } finally {
      await server.stop();
    }
  });
  return {
    address,
    uiUrl,
    hostId: worker.hostId,
    slots: worker.slots,
    stop: () => worker.shutdown().then(() => stopped),
    stopped,
  };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
