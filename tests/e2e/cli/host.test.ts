import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLonghaul, startCliBench, type CliBench } from './cli-bench.ts';

const directory = mkdtempSync(join(tmpdir(), 'longhaul-cli-'));
// The Temporal program is in the cache of whoever runs the tests.
const env = Object.fromEntries(
  ['HOME', 'XDG_CACHE_HOME'].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
) as Record<string, string>;

let bench: CliBench;
beforeAll(async () => {
  bench = await startCliBench();
});
afterAll(async () => {
  await bench.stop();
  rmSync(directory, { recursive: true });
});

describe('the processes of a KVM host', () => {
  it('doctor prints a line for each thing it looked at, and says where it found the server', async () => {
    const { code, stdout } = await bench.run(['doctor', '--state-dir', join(directory, 'doctor'), '--json'], {
      env,
    });
    const checks = JSON.parse(stdout) as { name: string; status: string; found: string }[];
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['qemu-img', 'acceleration', 'libvirt']),
    );
    expect(checks.find(({ name }) => name === 'Temporal server')).toMatchObject({ status: 'ok' });
    expect(code).toBe(checks.some(({ status }) => status === 'failed') ? 1 : 0);
  });

  it('up says where everything is, takes commands, and stops cleanly on SIGTERM', async () => {
    const args = [
      'up',
      '--state-dir',
      join(directory, 'up'),
      '--host-id',
      'kvm7',
      '--port',
      '0',
      '--ui-port',
      '0',
      '--json',
    ];
    let listed: Promise<string> | undefined;
    const up = await runLonghaul(args, {
      env,
      signalWhen: (printed) => {
        const address = /"address":"([^"]+)"/.exec(printed)?.[1];
        if (address === undefined) return undefined;
        listed ??= runLonghaul(['list', '--address', address]).then(({ stdout }) => stdout);
        return listed.then(() => 'SIGTERM');
      },
    });
    expect(await listed).toBe('No migrations yet.\n');
    expect(JSON.parse(up.stdout)).toMatchObject({
      hostId: 'kvm7',
      uiUrl: expect.stringMatching(/^http:/) as string,
    });
    expect(up.code).toBe(0);
  });

  it('worker joins a server that runs elsewhere and stops cleanly on SIGTERM', async () => {
    const worker = await bench.run(['worker', '--state-dir', join(directory, 'worker'), '--slots', '1'], {
      env,
      signalWhen: (printed) => (printed.includes('worker is ready') ? Promise.resolve('SIGTERM') : undefined),
    });
    expect(worker.stderr).toContain('worker has stopped');
    expect(worker.code).toBe(0);
  });
});
