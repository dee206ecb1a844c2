import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { searchAttributes } from '../../../contracts/search-attributes.ts';
import { startEmbeddedServer, type EmbeddedServer } from '../../../workers/embedded/embedded-server.ts';
import { ensureSearchAttributes } from '../../../workers/search-attributes.ts';
import { silentLog } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { temporalBinary } from '../../support/temporal.ts';

async function start(stateDir: string): Promise<EmbeddedServer> {
  const binary = await temporalBinary();
  const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
  onTestFinished(() => server.stop());
  return server;
}

async function connect(address: string): Promise<Client> {
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  return new Client({ connection });
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in 20 s: ${what}`);
    await sleep(100);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The Temporal CLI, that ends some times before it runs, with what the Go runtime prints. */
async function panicsFirst(directory: string, { times }: { times: number }): Promise<string> {
  const file = join(directory, 'temporal');
  const script = `#!/bin/sh
echo start >> ${directory}/starts
if [ "$(wc -l < ${directory}/starts)" -le ${times} ]; then
  echo 'panic: failed assigning ephemeral port: address already in use' >&2
  for line in 1 2 3 4 5 6; do echo "main.frame$line()" >&2; done
  exit 2
fi
exec ${await temporalBinary()} "$@"
`;
  writeFileSync(file, script, { mode: 0o755 });
  return file;
}

describe('the embedded Temporal server', () => {
  it('listens on the loopback interface only, web UI included', async () => {
    const server = await start(scratchDirectory());
    expect((await fetch(server.uiUrl)).status).toBe(200);
    const sockets = execFileSync('ss', ['-Hltnp'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(`pid=${server.pid},`))
      .map((line) => line.split(/\s+/)[3] ?? '');
    expect(sockets).toContain(server.address);
    expect(sockets.filter((socket) => !socket.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('carries a workflow on after it was killed and started again', async () => {
    const stateDir = scratchDirectory();
    const first = await start(stateDir);
    const client = await connect(first.address);
    await client.workflow.start('migrateVm', {
      taskQueue: 'nobody',
      workflowId: 'web01',
      typedSearchAttributes: [{ key: searchAttributes.vm, value: 'web01' }],
    });
    process.kill(first.pid, 'SIGKILL');
    expect(await first.ended).toBe('it was killed by SIGKILL');

    const again = await connect((await start(stateDir)).address);
    expect((await again.workflow.getHandle('web01').describe()).status.name).toBe('RUNNING');
    await until(
      async () => (await again.workflow.count("LonghaulVm = 'web01'")).count === 1,
      'the workflow is found by its search attribute',
    );
  });

  it('can register the search attributes of a namespace that has them', async () => {
    const { connection } = await connect((await start(scratchDirectory())).address);
    await ensureSearchAttributes(connection, 'default');
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    expect(Object.keys(customAttributes).sort()).toEqual(
      Object.values(searchAttributes)
        .map(({ name }) => name)
        .sort(),
    );
  });

  it('keeps ended migrations listed for 90 days', async () => {
    const { connection } = await connect((await start(scratchDirectory())).address);
    const { config } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * 24 * 3600);
  });

  it('stops in order, and leaves no process', async () => {
    const stateDir = scratchDirectory();
    const server = await start(stateDir);
    await server.stop();
    await server.stop();
    expect(await server.ended).toBe('it ended with 0');
    expect(alive(server.pid)).toBe(false);
    expect(statSync(join(stateDir, 'temporal.db')).size).toBeGreaterThan(0);
  });

  it('refuses a second one on the same state directory', async () => {
    const stateDir = scratchDirectory();
    const server = await start(stateDir);
    await expect(start(stateDir)).rejects.toMatchObject({
      code: 'TEMPORAL_ALREADY_RUNNING',
      found: expect.stringContaining(stateDir) as string,
    });
    await server.stop();
    await start(stateDir);
  });

  it('names the port that another program listens on', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const starting = startEmbeddedServer({
      binary: await temporalBinary(),
      stateDir: scratchDirectory(),
      port,
      log: silentLog,
    });
    await expect(starting).rejects.toMatchObject({ code: 'TEMPORAL_START_FAILED', details: { port } });
  });

  it("says the server's own last words when it ends at once", async () => {
    const starting = startEmbeddedServer({
      binary: '/bin/ls',
      stateDir: scratchDirectory(),
      port: 0,
      uiPort: 0,
      log: silentLog,
    });
    await expect(starting).rejects.toMatchObject({
      code: 'TEMPORAL_START_FAILED',
      found: expect.stringContaining("unrecognized option '--db-filename'") as string,
    });
  });

  it('is started again when it ends before it answers, as it does when a port is taken under its hands', async () => {
    const stateDir = scratchDirectory();
    const binary = await panicsFirst(stateDir, { times: 2 });
    const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
    onTestFinished(() => server.stop());
    const { connection } = await connect(server.address);
    await connection.workflowService.describeNamespace({ namespace: 'default' });
  });

  it('is given up when it ends each time, and says why it panicked instead of where', async () => {
    const stateDir = scratchDirectory();
    const binary = await panicsFirst(stateDir, { times: 3 });
    const starting = startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log: silentLog });
    await expect(starting).rejects.toMatchObject({
      code: 'TEMPORAL_START_FAILED',
      found:
        "Temporal's server did not come up: it ended with 2; it last said: panic: failed assigning ephemeral port: address already in use",
    });
  });

  it('dies with the process that started it, even when that is killed', async () => {
    const script = `
      import { startEmbeddedServer } from '${new URL('../../../workers/embedded/embedded-server.ts', import.meta.url).href}';
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const [binary, stateDir] = process.argv.slice(1);
      const server = await startEmbeddedServer({ binary, stateDir, port: 0, uiPort: 0, log });
      console.log(server.pid);
    `;
    const owner = spawn(
      process.execPath,
      ['--input-type=module', '-e', script, await temporalBinary(), scratchDirectory()],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(alive(pid)).toBe(true);
    owner.kill('SIGKILL');
    await until(() => !alive(pid), `server ${pid} is gone`);
  });
});
