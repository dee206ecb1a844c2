import { Agent, type Dispatcher } from 'undici';
import { RateLimit } from './rate-limit.ts';

export interface TransferOptions {
  /** Connections to one server at most, of all transfers of the worker together. */
  connections: number;
  /** Of the host; absent: as fast as it goes. */
  maxBytesPerSecond?: number;
}

/** What all transfers of a worker share. */
export interface TransferPlane {
  /** Pools the connections. */
  dispatcher: Dispatcher;
  connections: number;
  /** Of the host. */
  limits: readonly RateLimit[];
}

export function createTransferPlane({ connections, maxBytesPerSecond }: TransferOptions): TransferPlane {
  return {
    dispatcher: new Agent({ connections }),
    connections,
    limits: maxBytesPerSecond === undefined ? [] : [new RateLimit(maxBytesPerSecond)],
  };
}
