import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExistingServer } from '../control-plane.ts';
import { run } from '../../guests/lib/run.ts';
import { setUpNamespace } from '../../../workers/namespace-setup.ts';
import { Connection } from '@temporalio/client';
import { claimablePort } from '../../../workers/embedded/ports.ts';
import { Daemon } from './daemon.ts';
import { startPostgreSql } from './postgresql.ts';
import { postgresqlPrograms, temporalPrograms } from './programs.ts';

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
/** Ports of the server besides that of its front end, relative to it: deploy/temporal/config.yaml. */
const otherPorts = [1, 2, 6, -300, -299, -298, -294];

/** What a site runs in place of `longhaul up`, from the files of deploy/: Temporal on PostgreSQL with mutual TLS. */
export interface TemporalSite extends ExistingServer {
  /** The environment by which the command line and workers find it. */
  env: Readonly<Record<string, string>>;
  database: Daemon;
  server: Daemon;
  /** Logs of both, and certificates. */
  directory: string;
  stop(): Promise<void>;
}

export interface SiteWishes {
  /** Whether the namespace is there with all that Longhaul needs of it, as after `longhaul setup`. */
  ready?: boolean;
  namespace?: string;
  /** In place of the file's own number. */
  shards?: number;
}

/** Brings up a site; nothing of it outlives the test. The programs are built the first time, which takes minutes. */
export async function startSite({
  ready = true,
  namespace = 'default',
  shards,
}: SiteWishes = {}): Promise<TemporalSite> {
  const temporal = await temporalPrograms();
  const postgresql = await postgresqlPrograms();
  // PostgreSQL's own user has to get there.
  const directory = await mkdtemp('/var/tmp/longhaul-site-');
  await run('chmod', ['0711', directory]);
  const tls = await certificates(join(directory, 'tls'));
  const database = await startPostgreSql(postgresql, join(directory, 'database'), tls);
  const databaseEnv = {
    SQL_HOST: '127.0.0.1',
    SQL_PORT: String(database.port),
    SQL_USER: 'temporal',
    SQL_PASSWORD_FILE: database.passwordPath,
    SQL_TLS: 'true',
    SQL_TLS_CA_FILE: join(tls, 'ca.pem'),
  };
  await createDatabases(postgresql, databaseEnv);
  const schema = join(deploy, 'temporal/schema.sh');
  await run('sh', [schema], {
    env: { ...databaseEnv, PATH: `${temporal}:${process.env['PATH'] ?? ''}` },
  });

  const port = await freePorts();
  // A name: Node refuses TLS with an address.
  const address = `localhost:${port}`;
  const connectionOptions = clientTls(tls);
  const server = new Daemon(
    {
      program: join(temporal, 'temporal-server'),
      args: ['--config-file', join(deploy, 'temporal/config.yaml'), '--allow-no-auth', 'start'],
      env: {
        TEMPORAL_PORT: String(port),
        TEMPORAL_TLS_DIR: tls,
        TEMPORAL_DB_ADDRESS: `127.0.0.1:${database.port}`,
        TEMPORAL_DB_PASSWORD_FILE: database.passwordPath,
        TEMPORAL_DB_CA: join(tls, 'ca.pem'),
        TEMPORAL_LOG_LEVEL: 'warn',
        ...(shards === undefined ? {} : { TEMPORAL_SHARDS: String(shards) }),
      },
      logPath: join(directory, 'temporal.log'),
      stopSignal: 'SIGTERM',
    },
    () => answers(address, connectionOptions),
  );
  await server.start();
  if (ready)
    await withConnection(address, connectionOptions, (connection) => setUpNamespace(connection, namespace));
  return {
    address,
    namespace,
    env: clientEnv(address, namespace, tls),
    connectionOptions,
    database: database.daemon,
    server,
    directory,
    stop: async () => {
      await server.stop();
      await database.daemon.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** By the script that a site without an authority uses. */
async function certificates(directory: string): Promise<string> {
  const make = (...args: string[]) => run('sh', [join(deploy, 'certificates.sh'), directory, ...args]);
  await make('authority');
  await make('server', 'localhost', '127.0.0.1');
  await make('client', 'operator');
  return directory;
}

async function createDatabases(bin: string, env: Readonly<Record<string, string>>): Promise<void> {
  const connection = {
    PGHOST: '127.0.0.1',
    PGPORT: env['SQL_PORT'] ?? '',
    PGUSER: 'temporal',
    PGPASSWORD: readFileSync(env['SQL_PASSWORD_FILE'] ?? '', 'utf8').trim(),
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: env['SQL_TLS_CA_FILE'] ?? '',
  };
  for (const name of ['temporal', 'temporal_visibility'])
    await run(join(bin, 'createdb'), [name], { env: connection });
}

/** A port for the front end whose neighbours are free too; below those that the kernel gives away. */
async function freePorts(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const free = await Promise.allSettled(
      [0, ...otherPorts].map((offset) => claimablePort(port + offset, 'the Temporal server')),
    );
    if (free.every(({ status }) => status === 'fulfilled')) return port;
  }
}

function clientTls(tls: string): ExistingServer['connectionOptions'] {
  const read = (name: string) => readFileSync(join(tls, name));
  return {
    tls: {
      serverRootCACertificate: read('ca.pem'),
      clientCertPair: { crt: read('operator.pem'), key: read('operator.key') },
    },
  };
}

function clientEnv(address: string, namespace: string, tls: string): Record<string, string> {
  return {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(tls, 'ca.pem'),
    TEMPORAL_TLS_CLIENT_CERT_PATH: join(tls, 'operator.pem'),
    TEMPORAL_TLS_CLIENT_KEY_PATH: join(tls, 'operator.key'),
  };
}

async function answers(address: string, options: ExistingServer['connectionOptions']): Promise<boolean> {
  try {
    await withConnection(address, options, (connection) => connection.workflowService.listNamespaces({}));
    return true;
  } catch {
    return false;
  }
}

async function withConnection<T>(
  address: string,
  { tls }: ExistingServer['connectionOptions'],
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await Connection.connect({
    address,
    ...(tls === undefined || tls === null ? {} : { tls }),
    connectTimeout: 3_000,
  });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
