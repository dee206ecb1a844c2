import type { Dispatcher } from 'undici';
import { connectionPool, type ProxySettings } from './connection-pool.ts';
import { RateLimit } from './rate-limit.ts';

export interface TransferOptions {
  /** Connections to one server at most, of all transfers of the worker together. */
  connections: number;
  /** Of the host; absent: as fast as it goes. */
  maxBytesPerSecond?: number;
  /** Absent: servers are asked without one. */
  proxy?: ProxySettings;
  /** A server that sends nothing for so long has stalled; a minute when left out. */
  stallMs?: number;
}

/** What all transfers of a worker share. */
export interface TransferPlane {
  /** Pools the connections. */
  dispatcher: Dispatcher;
  connections: number;
  /** Of the host. */
  limits: readonly RateLimit[];
  /** Ends the connections, which nobody may use any more. */
  close: () => Promise<void>;
}

const defaultStallMs = 60_000;

export function createTransferPlane(options: TransferOptions): TransferPlane {
  const { connections, maxBytesPerSecond, proxy = {}, stallMs = defaultStallMs } = options;
  const dispatcher = connectionPool({ connectionsPerOrigin: connections, stallMs, proxy });
  return {
    dispatcher,
    connections,
    limits: maxBytesPerSecond === undefined ? [] : [new RateLimit(maxBytesPerSecond)],
    close: () => dispatcher.destroy(),
  };
}
