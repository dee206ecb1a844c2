import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { descendantsOf, processes } from '../../support/longhaul-process.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const main = fileURLToPath(new URL('../../simulators/azure/main.ts', import.meta.url));

/** Starts the simulator with a VM whose disk has content, so that Azurite runs, too. */
async function start() {
  const directory = scratchDirectory();
  const [disk, config] = [join(directory, 'disk.raw'), join(directory, 'config.json')];
  await writeFile(disk, Buffer.alloc(4096, 1));
  const vm = {
    name: 'web01',
    resourceGroup: 'prod',
    disks: [{ sizeBytes: 1024 * 1024, content: { file: disk } }],
  };
  await writeFile(config, JSON.stringify({ options: { pageSize: 10 }, vms: [vm] }));
  const child = spawn(process.execPath, [main, config], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // What it leaves behind when it is killed goes with the test.
    env: { ...process.env, TMPDIR: directory },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const family = descendantsOf(child.pid ?? -1);
  expect(family.map(({ command }) => command).join()).toContain('azurite');
  const left = () =>
    processes().filter(({ pid, startTicks }) =>
      family.some((one) => one.pid === pid && one.startTicks === startTicks),
    );
  return { child, printed: JSON.parse(line) as Record<string, string>, left };
}

it('as a process of its own says where it is, and ends with its standard input', async () => {
  const { child, printed, left } = await start();
  expect(printed).toMatchObject({
    authorityHost: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
    resourceManager: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
    caPath: expect.stringMatching(/\.pem$/) as string,
  });
  child.stdin.end();
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(left()).toEqual([]);
});

it('takes Azurite along when it is killed', async () => {
  const { child, left } = await start();
  child.kill('SIGKILL');
  await once(child, 'close');
  await expect.poll(left).toEqual([]);
});
