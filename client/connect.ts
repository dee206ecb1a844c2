import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import type { TemporalOptions } from '../workers/options.ts';

/** Long enough for a server across an ocean on a busy machine, short enough to wait for. */
const connectTimeoutMs = 5_000;

/** An open connection to Temporal; the caller closes it. */
export interface TemporalLink {
  client: Client;
  connection: Connection;
  address: string;
  namespace: string;
}

/** Connects within a time limit. Throws TEMPORAL_UNREACHABLE with what the server or the network said. */
export async function connectTemporal(options: TemporalOptions): Promise<TemporalLink> {
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
    await connection.withDeadline(Date.now() + connectTimeoutMs, () => connection.ensureConnected());
  } catch (error) {
    await connection.close();
    throw unreachable(address, error);
  }
  return { client: new Client({ connection, namespace }), connection, address, namespace };
}

/** TEMPORAL_UNREACHABLE in words that tell a server that is not there from one that turns us away. */
export function unreachable(address: string, error: unknown): LonghaulError {
  const turnedAway = isGrpcServiceError(error) && [7, 16].includes(error.code); // PERMISSION_DENIED, UNAUTHENTICATED
  const local = /^(127\.|localhost|\[::1\])/.test(address);
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
