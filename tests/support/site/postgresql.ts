import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../guests/lib/run.ts';
import { claimablePort } from '../../../workers/embedded/ports.ts';
import { Daemon } from './daemon.ts';

/** PostgreSQL refuses to run as root. */
const unprivileged = 'postgres';

export interface PostgreSql {
  port: number;
  /** Of the user `temporal`, who owns the databases `temporal` and `temporal_visibility`. */
  passwordPath: string;
  daemon: Daemon;
}

/**
 * A cluster of its own with TLS, on loopback and a socket in its directory, as a site's would be set up.
 *
 * @param tls directory of `server.pem` and `server.key`
 */
export async function startPostgreSql(bin: string, directory: string, tls: string): Promise<PostgreSql> {
  const passwordPath = join(directory, 'password');
  await mkdir(directory, { mode: 0o711 });
  await writeFile(passwordPath, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 });
  const home = await ownDirectory(directory, tls, passwordPath);
  const data = join(home, 'data');
  const asOwner = (program: string, ...args: string[]) =>
    run(...owned(join(bin, program), args), { env: { PGHOST: home, LC_ALL: 'C.UTF-8' } });

  await asOwner(
    'initdb',
    ...['--pgdata', data, '--username', 'temporal', '--pwfile', join(home, 'password')],
    ...['--auth-local', 'peer', '--auth-host', 'scram-sha-256', '--encoding', 'UTF8'],
  );
  // Everything by password over TLS; the owner's own socket is for `pg_isready` alone.
  await writeFile(join(data, 'pg_hba.conf'), 'hostssl all temporal 127.0.0.1/32 scram-sha-256\n');
  const port = await claimablePort(0, 'PostgreSQL');
  const [program, args] = owned(join(bin, 'postgres'), [
    ...['-D', data, '-p', String(port), '-k', home, '-c', 'listen_addresses=127.0.0.1'],
    ...['-c', 'ssl=on', '-c', `ssl_cert_file=${home}/server.pem`, '-c', `ssl_key_file=${home}/server.key`],
    ...['-c', 'max_connections=300'],
  ]);
  const daemon = new Daemon(
    { program, args, env: {}, logPath: join(directory, 'postgresql.log'), stopSignal: 'SIGINT' },
    async () => {
      const asked = ['--host', home, '--port', String(port), '--quiet'];
      const { exitCode } = await run(join(bin, 'pg_isready'), asked, { acceptExitCodes: [1, 2, 3] });
      return exitCode === 0;
    },
  );
  await daemon.start();
  return { port, passwordPath, daemon };
}

/** What the server reads has to be its owner's. */
async function ownDirectory(directory: string, tls: string, passwordPath: string): Promise<string> {
  const home = join(directory, 'postgresql');
  await mkdir(home, { mode: 0o700 });
  await copyFile(join(tls, 'server.pem'), join(home, 'server.pem'));
  await copyFile(join(tls, 'server.key'), join(home, 'server.key'));
  await copyFile(passwordPath, join(home, 'password'));
  if (process.getuid?.() === 0) await run('chown', ['-R', `${unprivileged}:`, home]);
  return home;
}

function owned(program: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [program, [...args]];
  const user = ['--reuid', unprivileged, '--regid', unprivileged, '--clear-groups', '--pdeathsig', 'KILL'];
  return ['setpriv', [...user, '--', program, ...args]];
}
