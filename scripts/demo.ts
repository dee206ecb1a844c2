import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guestDisks } from '../tests/guests/guests.ts';

/** The demonstration: one real guest, the whole way. Everything of it lies in one directory. */
const vmName = 'longhaul-demo';
const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'longhaul', 'demo');
const stateDir = join(home, 'state');
/** QEMU runs as another user and must reach the disks, so they cannot lie below a home directory. */
const targetDir = '/var/lib/longhaul-demo';
const main = new URL('../dist/client/main.js', import.meta.url).pathname;

const started = Date.now();
const say = (what: string) => {
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(
    `demo: ${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}  ${what}`,
  );
};

interface Up {
  address: string;
  uiUrl: string;
}

/** Starts `longhaul up` and waits for the line that says where it is. */
async function startUp(): Promise<{ up: Up; process: ChildProcess }> {
  const child = spawn(process.execPath, [main, 'up', '--json', '--port', '0', '--ui-port', '0'], {
    // A group of its own: Ctrl-C reaches this process, which then stops it in order.
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, LONGHAUL_STATE_DIR: stateDir, LONGHAUL_TARGET_DIR: targetDir },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{"address"')) return { up: JSON.parse(line) as Up, process: child };
  }
  throw new Error('longhaul up ended before it was ready; run `longhaul doctor`');
}

async function run(command: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Removes what the last demonstration left: its domain and disks, nothing else. */
async function removeLast(): Promise<void> {
  const quiet = spawn('virsh', ['-q', '-c', 'qemu:///system', 'undefine', '--nvram', '--domain', vmName], {
    stdio: 'ignore',
  });
  await once(quiet, 'exit');
  await rm(targetDir, { recursive: true, force: true });
  await rm(stateDir, { recursive: true, force: true });
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await mkdir(targetDir, { recursive: true });
  await chmod(targetDir, 0o711);
}

const keep = process.argv.includes('--keep');
say('building the guest: Debian 12 on BIOS, /dev/sda1 in its fstab, a static address on ens192, on a');
say('VMware-style disk (streamOptimized VMDK). Two to five minutes the first time, then cached.');
const disks = await guestDisks('debian-bios', 'vmdk-stream', (what) => {
  say(`  ${what}`);
});
await removeLast();

say('starting the Temporal server and a worker (some seconds)');
const { up, process: upProcess } = await startUp();
const stop = async () => {
  if (upProcess.exitCode !== null) return;
  upProcess.kill('SIGTERM');
  await once(upProcess, 'exit');
};
process.on('SIGINT', () => {
  void stop().then(() => process.exit(130));
});

try {
  say('migrating it: about one minute with KVM, two to three when the processor must be emulated');
  const env = { TEMPORAL_ADDRESS: up.address };
  const migrate = [
    main,
    'migrate',
    ...disks,
    '--name',
    vmName,
    '--on-failure',
    'fail',
    '--memory',
    '1G',
    '--wait',
  ];
  const failed = await run(process.execPath, migrate, env);
  console.log('');
  await run(process.execPath, [main, 'report', vmName], env);
  if (failed !== 0) process.exitCode = failed;
  say('where to look:');
  console.log(
    `  domain       ${vmName} (virsh start ${vmName}; virsh console ${vmName}; log in as root, password "longhaul")`,
  );
  console.log(`  disks        ${targetDir}`);
  console.log(`  reports      ${stateDir}/migrations`);
  console.log(`  Temporal UI  ${up.uiUrl}${keep ? '' : ' (while it runs: npm run demo -- --keep)'}`);
  if (keep) {
    say('left running; Ctrl-C stops it');
    await once(upProcess, 'exit');
  }
} finally {
  await stop();
}
say(process.exitCode === undefined ? 'done; nothing was left running' : 'it failed; see above');
