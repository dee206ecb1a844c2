import { Client, Connection } from '@temporalio/client';
import { onTestFinished } from 'vitest';
import { startEmbeddedServer } from '../../workers/embedded/embedded-server.ts';
import { silentLog } from '../support/io.ts';
import { temporalBinary } from '../support/temporal.ts';
import { Site } from './site.ts';

export interface TemporalServer {
  address: string;
  client: Client;
  stop(): Promise<void>;
}

/** The embedded server with its database in a directory, as workers of several processes share it. */
export async function startTemporal(stateDir: string): Promise<TemporalServer> {
  const binary = await temporalBinary();
  const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
  const client = await clientOf(server.address);
  return {
    address: server.address,
    client,
    stop: async () => {
      await client.connection.close();
      await server.stop();
    },
  };
}

export async function clientOf(address: string): Promise<Client> {
  return new Client({ connection: await Connection.connect({ address }) });
}

/** A host of a test's own, removed with all that is of it when the test is over. */
export async function newSite(): Promise<Site> {
  const site = await Site.create();
  onTestFinished(() => site.remove());
  return site;
}
