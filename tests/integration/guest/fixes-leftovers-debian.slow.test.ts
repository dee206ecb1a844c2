import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectGuest } from '../../../activities/guest/inspector.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import { unlockContainers } from '../../../activities/guest/luks-handler.ts';
import { makeWritable } from '../../../activities/guest/mount-manager.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { guestDisks } from '../../guests/guests.ts';
import { proxyEnv, run as runTool } from '../../guests/lib/run.ts';
import { Machine } from '../../guests/machine.ts';
import { azureInstanceId } from '../../guests/recipes/debian-leftovers.ts';
import { quietIo, run } from '../../support/guest-trees.ts';

const minutes = (count: number) => count * 60_000;
const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@example.org';

/** What says who the guest is, and who may get in. */
const identity = [
  '/etc/machine-id',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/ssh/ssh_host_ecdsa_key',
  '/etc/ssh/ssh_host_ed25519_key',
  '/etc/ssh/ssh_host_ed25519_key.pub',
];

let dir: string;
let disk: string;
let packages: string;
const facts: Record<'planned' | 'outcomes' | 'left', FixOutcome[]> & Record<'before' | 'after', string[]> = {
  planned: [],
  outcomes: [],
  left: [],
  before: [],
  after: [],
};
/** What programs of the guest said when the fixes were done, by name. */
const said = new Map<string, string>();

async function digests(guest: GuestSession): Promise<string[]> {
  const found: string[] = [];
  for (const path of identity) {
    const { mode, uid, gid } = await guest.stat(path);
    const hash = createHash('sha256').update(await guest.readFile(path));
    found.push(`${path} ${mode} ${uid} ${gid} ${hash.digest('hex')}`);
  }
  return found;
}

async function labelOf(guest: GuestSession, path: string): Promise<string> {
  if (!(await guest.exists(path))) return 'absent';
  return (await guest.selinuxLabel(path)) ?? 'none';
}

/** The agent and what this guest lacks for it, from the host's package sources. */
async function downloadAgent(): Promise<string> {
  const into = join(dir, 'packages');
  await mkdir(into);
  await chmod(into, 0o777);
  await chmod(dir, 0o755);
  const names = ['qemu-guest-agent', 'libnuma1', 'liburing2'];
  await runTool('env', ['--chdir', into, 'apt-get', '--quiet', 'download', ...names], { env: proxyEnv() });
  return into;
}

async function onGuest<T>(work: (guest: GuestSession) => Promise<T>): Promise<T> {
  const guest = await openSession({
    disks: [{ path: disk, format: 'raw' }],
    accelerator: 'tcg',
    readOnly: false,
    io: quietIo(),
    tmpDir: dir,
  });
  try {
    return await work(guest);
  } finally {
    await guest.close();
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leftovers-'));
  disk = join(dir, 'disk.raw');
  const [source = ''] = await guestDisks('debian-leftovers', 'raw', console.log);
  await run('cp', ['--sparse=always', '--reflink=auto', source, disk]);
  packages = await downloadAgent();
  const scripts = [join(dir, 'first.sh'), join(dir, 'second.sh')];
  await writeFile(scripts[0] ?? '', '#!/bin/sh\necho script one on $(hostname)\nexit 3\n');
  await writeFile(
    scripts[1] ?? '',
    `#!/bin/sh
echo script two after one
echo instance $(cat /var/lib/cloud/data/instance-id 2>/dev/null)
echo masked-or-failed "$(systemctl --failed --no-legend | tr '\\n' ' ')"
sha256sum /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id
`,
  );
  await onGuest(async (guest) => {
    const io = quietIo();
    const unlocked = await unlockContainers(guest, [], () => Promise.resolve(Buffer.alloc(0)));
    const inspect = () => inspectGuest({ guest, launchSeconds: 0, unlocked, scratchDir: dir, ...io });
    const inspection = await inspect();
    if (inspection.mounted === undefined) throw new Error('nothing was mounted');
    const spec = migrationSpec.parse({
      name: 'vm',
      source: { kind: 'image', disks: [disk] },
      guest: {
        agentPackages: [packages],
        hostname: 'moved.example.org',
        firstBoot: scripts,
        sshKeys: [{ user: 'ada', key: publicKey }],
      },
    });
    const vm = { name: 'vm', nics: [{ mac: '52:54:00:12:34:56', network: 'default' }] };
    const context = { guest, facts: inspection.facts, vm, options: spec.guest, scratchDir: dir, ...io };
    facts.before = await digests(guest);
    // As `longhaul plan` does it: on file systems that cannot be written.
    facts.planned = await runFixes(linuxFixes, context, 'plan');
    await makeWritable(guest, inspection.mounted);
    facts.outcomes = await runFixes(linuxFixes, context, 'apply');
    facts.after = await digests(guest);
    const ask = async (name: string, ...argv: string[]) => {
      said.set(name, await guest.command(argv).catch((error: unknown) => String(error)));
    };
    await ask('audit', '/usr/bin/dpkg', '--audit');
    await ask('list', '/usr/bin/dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n');
    await ask(
      'leftover',
      '/bin/sh',
      '-c',
      'ls /usr/sbin/policy-rc.d /usr/bin/vmtoolsd /usr/sbin/waagent 2>&1; true',
    );
    await ask('initramfs-policy', '/bin/cat', '/etc/initramfs-tools/update-initramfs.conf');
    for (const path of [
      '/home/ada/.ssh',
      '/home/ada/.ssh/authorized_keys',
      '/usr/sbin/qemu-ga',
      '/.autorelabel',
    ])
      said.set(`label of ${path}`, await labelOf(guest, path));
    const again = await inspect();
    facts.left = await runFixes(linuxFixes, { ...context, facts: again.facts }, 'plan');
    await guest.umountAll();
  });
  for (const { fix, seconds, changes, warnings } of facts.outcomes)
    console.log(
      fix,
      `${seconds} s`,
      changes.map(({ path, what }) => `${path}: ${what}`),
      warnings,
    );
}, minutes(30));
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('a real Debian guest with the tools of its former homes', () => {
  it('has them removed by its own dpkg, whose database is in order afterwards', () => {
    const status = new Map(
      (said.get('list') ?? '').split('\n').map((line) => line.split(' ') as [string, string]),
    );
    for (const name of ['open-vm-tools', 'waagent', 'google-guest-agent'])
      expect(status.has(name)).toBe(false);
    expect(status.get('hyperv-daemons')).toBe('installed');
    expect(status.get('cloud-init')).toBe('installed');
    expect(said.get('audit')).toBe('');
    expect(said.get('leftover')).not.toMatch(/^\//m);
    expect(said.get('initramfs-policy')).toContain('update_initramfs=yes');
  });

  it('gets the agent from the packages that were offered, with what it needs', async () => {
    for (const name of ['qemu-guest-agent', 'libnuma1', 'liburing2'])
      expect(said.get('list')).toMatch(new RegExp(`^${name} installed$`, 'm'));
    const { changes = [] } = facts.outcomes.find(({ fix }) => fix === 'guest-agent') ?? {};
    expect(changes.map(({ what }) => what)).toEqual([
      expect.stringMatching(/installed by dpkg: .*qemu-guest-agent_.*\.deb/),
    ]);
    expect(await readdir(packages)).toHaveLength(3);
  });

  it('is told beforehand of every change', () => {
    const brief = (outcomes: FixOutcome[]) =>
      outcomes.map(({ fix, changes }) => `${fix} ${changes.map(({ path }) => path).join(' ')}`);
    expect(brief(facts.planned)).toEqual(brief(facts.outcomes));
  });

  it('keeps its machine id, host keys and passwords', () => {
    expect(facts.after).toEqual(facts.before);
  });

  it('has the labels of its SELinux policy on what was made, without a relabelling boot', () => {
    expect(said.get('label of /home/ada/.ssh')).toMatch(/:ssh_home_t/);
    expect(said.get('label of /home/ada/.ssh/authorized_keys')).toMatch(/:ssh_home_t/);
    expect(said.get('label of /usr/sbin/qemu-ga')).toMatch(/^system_u:object_r:\w+_t/);
    expect(said.get('label of /.autorelabel')).toBe('absent');
  });

  it('has nothing left to do', () => {
    expect(facts.left.flatMap(({ fix, changes }) => changes.map(({ what }) => `${fix}: ${what}`))).toEqual(
      [],
    );
  });

  it(
    'boots to its new name, runs its scripts once in their order, and is the same machine to cloud-init',
    async () => {
      await using machine = await Machine.start({
        disks: [disk],
        hardware: 'virtio',
        memoryMiB: 768,
        writable: true,
      });
      const over = await machine.says(/longhaul: the first boot is over/, minutes(12));
      const login = await machine.says(/moved login:/, minutes(6));
      const serial = await machine.serial();
      expect([over, login], serial).toEqual([expect.any(Number), expect.any(Number)]);
      console.log(`first boot over after ${over} s, login after ${login} s`);
      const at = (words: string) => serial.indexOf(words);
      expect(serial).toContain('script one on moved');
      expect(serial).toContain('longhaul: 0001-first.sh ended with 3');
      expect(at('script two after one')).toBeGreaterThan(at('script one on'));
      expect(serial).toContain(`instance ${azureInstanceId}`);
      await machine.stop();

      await onGuest(async (guest) => {
        const [device = ''] = await guest.listPartitions();
        await guest.mount(device, '/', 'ro');
        expect(await guest.exists('/var/lib/longhaul')).toBe(false);
        expect(await guest.glob('/etc/systemd/system/{,*/}longhaul-firstboot.service')).toEqual([]);
        expect((await guest.readFile('/var/log/longhaul-firstboot.log')).toString()).toContain('script two');
        expect(await digests(guest)).toEqual(facts.before);
        await guest.umountAll();
      });
    },
    minutes(25),
  );
});
