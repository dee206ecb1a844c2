import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { goPrograms } from '../go-programs.ts';

/** Directory of temporal-server and temporal-sql-tool: the server of the Temporal CLI that is pinned, and of deploy/. */
export function temporalPrograms(): Promise<string> {
  return goPrograms({
    name: 'temporal-server',
    version: 'v1.32.0',
    programs: {
      'temporal-server': 'go.temporal.io/server/cmd/server',
      'temporal-sql-tool': 'go.temporal.io/server/cmd/tools/sql',
    },
  });
}

/** Path of the program of the Compose Specification that checks a file. */
export async function composeCheck(): Promise<string> {
  const directory = await goPrograms({
    name: 'compose-spec',
    version: 'v2.16.2',
    programs: { 'compose-spec': 'github.com/compose-spec/compose-go/v2/cmd' },
  });
  return join(directory, 'compose-spec');
}

/** Directory of initdb, postgres and pg_isready: Debian's newest that is installed. */
export async function postgresqlPrograms(): Promise<string> {
  const home = '/usr/lib/postgresql';
  const versions = await readdir(home).catch(() => []);
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error('PostgreSQL is not installed; run this by `npm run test:site`');
  return join(home, newest, 'bin');
}
