import { connect as connectTcp } from 'node:net';
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import type { TemporalOptions } from '../workers/options.ts';
import { askingAgain } from './ask-again.ts';

/** Long enough for a server across an ocean on a busy machine, short enough to wait for. */
const connectTimeoutMs = 5_000;

const loopback = /^(127\.[\d.]+|localhost|\[::1\]):\d+$/;

/** An open connection to Temporal; the caller closes it. */
export interface TemporalLink {
  client: Client;
  connection: Connection;
  address: string;
  namespace: string;
}

/** Connects within a time limit. Throws TEMPORAL_UNREACHABLE with what the server or the network said. */
export async function connectTemporal(
  options: TemporalOptions,
  onSilence?: (words: string) => void,
): Promise<TemporalLink> {
  const { address, namespace } = options;
  const { tls, apiKey, metadata } = options.connection;
  const connection = Connection.lazy({
    address,
    connectTimeout: connectTimeoutMs,
    ...(tls === undefined ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  try {
    if (loopback.test(address)) await knock(address);
    await connection.withDeadline(Date.now() + connectTimeoutMs, () => connection.ensureConnected());
  } catch (error) {
    await connection.close();
    throw unreachable(address, error);
  }
  const workflow = [askingAgain({ connection, namespace, onSilence })];
  const client = new Client({ connection, namespace, interceptors: { workflow } });
  return { client, connection, address, namespace };
}

/** Rejects at once when nothing listens here: gRPC would go on trying until the time limit. */
function knock(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const at = address.lastIndexOf(':');
    const host = address.slice(0, at).replaceAll(/[[\]]/g, '');
    const socket = connectTcp({ host, port: Number(address.slice(at + 1)), timeout: connectTimeoutMs });
    socket.on('error', reject);
    const done = () => {
      socket.destroy();
      resolve();
    };
    socket.on('connect', done);
    socket.on('timeout', done);
  });
}

/** TEMPORAL_UNREACHABLE in words that tell a server that is not there from one that turns us away. */
export function unreachable(address: string, error: unknown): LonghaulError {
  const turnedAway = isGrpcServiceError(error) && [7, 16].includes(error.code); // PERMISSION_DENIED, UNAUTHENTICATED
  const local = loopback.test(address);
  return new LonghaulError(
    'TEMPORAL_UNREACHABLE',
    turnedAway
      ? {
          found: `The Temporal server at ${address} turned us away: ${error.details}.`,
          remedy: 'Check the API key or the client certificate of the profile, and the namespace it is for.',
        }
      : {
          found: `No Temporal server answers at ${address}${reason(error)}.`,
          remedy: local
            ? 'Start one with `longhaul up`, or say where yours is: --address, --profile or TEMPORAL_ADDRESS.'
            : 'See whether the address, TLS and any firewall between are right: --address, --profile or TEMPORAL_ADDRESS.',
        },
    error,
  );
}

function reason(error: unknown): string {
  const text = isGrpcServiceError(error) ? error.details : messageOf(error);
  if (/ECONNREFUSED/.test(text)) return ': the connection was refused';
  if (/ENOTFOUND|EAI_AGAIN|Name resolution/i.test(text)) return ': the name does not resolve';
  if (/certificate|ssl|tls|wrong version number/i.test(text)) return `: TLS failed (${text})`;
  return ` within ${connectTimeoutMs / 1000} s`;
}

/**
 * Makes one call to the server, within a time limit and with its errors translated.
 *
 * @param limit `unlimited` for what consists of many calls
 */
export type ServerCall = <T>(work: () => Promise<T>, limit?: 'unlimited') => Promise<T>;
