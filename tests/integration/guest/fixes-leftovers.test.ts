import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { azure, buildRpms, ec2, leftoverTrees, rhel9, virtualbox, vmwareTarball } from './leftovers-trees.ts';
import { TreeBench, told } from './tree-bench.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@example.org';
let bench: TreeBench;
let agentRpm: string;

beforeAll(async () => {
  bench = await TreeBench.start(leftoverTrees);
  [agentRpm = ''] = await buildRpms(join(bench.dir, 'rpms'), [
    {
      name: 'qemu-guest-agent',
      files: {
        'usr/bin/qemu-ga': 'ELF',
        'usr/lib/systemd/system/qemu-guest-agent.service':
          '[Install]\nWantedBy=dev-virtio\\x2dports-org.qemu.guest_agent.0.device\n',
      },
    },
  ]);
});
afterAll(async () => {
  await bench.close();
});

const read = async (path: string) => (await bench.guest.readFile(path)).toString();
const changesOf = (outcomes: FixOutcome[], id: string) =>
  told(outcomes.filter(({ fix }) => fix === id)).flatMap(({ changes }) => changes);
const warningsOf = (outcomes: FixOutcome[], id: string) =>
  outcomes.filter(({ fix }) => fix === id).flatMap(({ warnings }) => warnings);

/** Applies all fixes; then there is nothing left to do. */
async function fix(context: Omit<FixContext, 'earlier'>): Promise<FixOutcome[]> {
  const done = await runFixes(linuxFixes, context, 'apply');
  const left = await runFixes(linuxFixes, context, 'plan');
  expect(left.flatMap(({ changes }) => changes)).toEqual([]);
  return done;
}

describe('what a hypervisor left in a guest', () => {
  it('goes by the uninstaller of the VMware tarball, which is kept from making initramfs images', async () => {
    const done = await fix(await bench.open(vmwareTarball));
    expect(changesOf(done, 'vmware-tools')).toEqual([
      '/usr/bin/vmware-uninstall-tools.pl: VMware Tools is removed by its own uninstaller.',
    ]);
    expect(await bench.guest.exists('/usr/bin/vmware-config-tools.pl')).toBe(false);
    expect(await bench.guest.exists('/usr/sbin/policy-rc.d')).toBe(false);
  });

  it('is switched off when its uninstaller fails, with the reason in the report', async () => {
    const done = await fix(await bench.open(virtualbox));
    expect(changesOf(done, 'virtualbox-additions')).toEqual([
      expect.stringMatching(/could not be removed by its own uninstaller.*vboxguest is still in use/),
    ]);
    expect(await bench.guest.readlink('/etc/systemd/system/vboxadd.service')).toBe('/dev/null');
    expect(await bench.guest.readlink('/etc/systemd/system/vboxadd-service.service')).toBe('/dev/null');
    // A unit of the administrator's place cannot be masked; nothing wants it any more.
    expect(await bench.guest.isSymlink('/etc/systemd/system/multi-user.target.wants/prltoolsd.service')).toBe(
      false,
    );
    expect(warningsOf(done, 'parallels-tools')).toEqual([expect.stringContaining('belongs to no package')]);
  });

  it('is removed by a real rpm, and its database agrees; what others need is masked instead', async () => {
    const done = await fix(await bench.open(rhel9, { agentPackages: [agentRpm] }));
    expect(changesOf(done, 'vmware-tools')).toEqual([
      '/var/lib/rpm: VMware Tools is removed by rpm: open-vm-tools.',
    ]);
    const installed = await bench.guest.command(['/usr/bin/rpm', '-qa', '--qf', '%{NAME}\n']);
    expect(installed.trim().split('\n').sort()).toEqual([
      'amazon-ssm-agent',
      'fleet-policy',
      'qemu-guest-agent',
    ]);
    expect(await bench.guest.exists('/usr/bin/vmtoolsd')).toBe(false);
    expect(warningsOf(done, 'ec2-agents')).toEqual([
      expect.stringMatching(
        /^Amazon SSM Agent \(amazon-ssm-agent\) stays installed: .*needed by .*fleet-policy/,
      ),
    ]);
    expect(await bench.guest.readlink('/etc/systemd/system/amazon-ssm-agent.service')).toBe('/dev/null');
  });

  it('gives way to the QEMU guest agent of an offered rpm, started by its channel', async () => {
    await bench.open(rhel9);
    const link =
      '/etc/systemd/system/dev-virtio\\x2dports-org.qemu.guest_agent.0.device.wants/qemu-guest-agent.service';
    expect(await bench.guest.readlink(link)).toBe('/usr/lib/systemd/system/qemu-guest-agent.service');
    expect(await bench.guest.exists('/usr/bin/qemu-ga')).toBe(true);
    expect(await bench.guest.exists('/var/lib/longhaul/packages')).toBe(false);
  });
});

describe('what a cloud left in a guest', () => {
  it('of Azure: agent by upstart, pinned cloud-init, lent disk, blocks and rules', async () => {
    const done = await fix(await bench.open(azure, { hostname: 'new.example.org' }, 'old'));

    expect(await read('/etc/init/walinuxagent.override')).toBe('manual\n');
    expect(await read('/etc/fstab')).toContain('# Lent by the former cloud, not migrated: /dev/sdb1\t/mnt');
    expect(await read('/etc/cloud/cloud.cfg.d/zz-longhaul-datasource.cfg')).toContain(
      'datasource_list: [ NoCloud, None ]',
    );
    expect(await read('/var/lib/cloud/seed/nocloud/meta-data')).toContain(
      '7d3c6ac0-6f1c-4a0b-9d4d-0c5e3a1b2f64',
    );
    expect(await read('/etc/modprobe.d/hardening.conf')).toBe(
      '# Needed on KVM: blacklist virtio_net\nblacklist floppy\n',
    );
    expect(warningsOf(done, 'udev-programs')).toEqual([
      '/etc/udev/rules.d/99-vendor.rules runs /opt/vendor/tune, which the guest does not have.',
    ]);
    expect(warningsOf(done, 'hyperv-daemons')).toEqual([expect.stringContaining('/usr/sbin/hv_kvp_daemon')]);
    expect(await read('/etc/hostname')).toBe('new.example.org\n');
    expect(await read('/etc/hosts')).toBe('127.0.0.1 localhost\n127.0.1.1 new.example.org\n');
  });

  it('of Amazon, Google and XenServer: each service that nobody can remove is switched off', async () => {
    const done = await fix(await bench.open(ec2));
    for (const unit of ['xe-linux-distribution', 'google-guest-agent'])
      expect(await bench.guest.readlink(`/etc/systemd/system/${unit}.service`)).toBe('/dev/null');
    expect(await bench.guest.ls('/etc/systemd/system/multi-user.target.wants')).toEqual([]);
    expect(changesOf(done, 'guest-agent')).toEqual([
      expect.stringContaining('is started when its channel is there'),
    ]);
  });
});

describe('keys for logging in', () => {
  it('get the owner and modes that sshd wants, and go in once', async () => {
    await fix(await bench.open(rhel9, { sshKeys: [{ user: 'ada', key }] }));
    expect(await read('/home/ada/.ssh/authorized_keys')).toBe(`${key}\n`);
    const file = await bench.guest.stat('/home/ada/.ssh/authorized_keys');
    expect({ mode: file.mode & 0o777, uid: file.uid, gid: file.gid }).toEqual({
      mode: 0o600,
      uid: 1000,
      gid: 1000,
    });
    const directory = await bench.guest.stat('/home/ada/.ssh');
    expect({ mode: directory.mode & 0o777, uid: directory.uid }).toEqual({ mode: 0o700, uid: 1000 });
  });

  it.each([
    { what: 'a directory', link: ['/etc', '/home/ada/.ssh'] },
    { what: 'a file', link: ['/etc/shadow', '/home/ada/.ssh/authorized_keys'] },
  ] as const)('are not written through a link that the user put in place of $what', async ({ link }) => {
    const context = await bench.open(rhel9, { sshKeys: [{ user: 'ada', key }] });
    await bench.guest.rmRf('/home/ada/.ssh');
    if (link[1].endsWith('keys')) await bench.guest.mkdirP('/home/ada/.ssh');
    await bench.guest.symlink(link[0], link[1]);
    await expect(runFixes(linuxFixes, context, 'apply')).rejects.toMatchObject({
      code: 'GUEST_FIX_FAILED',
      found: expect.stringContaining(`${link[1]} is a symbolic link`) as string,
    });
    await bench.guest.rmRf('/home/ada/.ssh');
  });

  it('end the migration when the guest has no such user', async () => {
    const context = await bench.open(rhel9, { sshKeys: [{ user: 'grace', key }] });
    await expect(runFixes(linuxFixes, context, 'plan')).rejects.toMatchObject({
      code: 'GUEST_FIX_FAILED',
      found: expect.stringContaining('no such user') as string,
    });
  });
});

describe('scripts of the first boot', () => {
  it('lie in the guest in their order, for root alone, with what starts them', async () => {
    const scripts = [join(bench.dir, 'b.sh'), join(bench.dir, 'a.sh')];
    for (const path of scripts) await writeFile(path, `#!/bin/sh\necho ${path}\n`);
    await fix(await bench.open(rhel9, { firstBoot: scripts }));
    expect(await bench.guest.ls('/var/lib/longhaul/firstboot/scripts')).toEqual(['0001-b.sh', '0002-a.sh']);
    expect((await bench.guest.stat('/var/lib/longhaul/firstboot/scripts/0001-b.sh')).mode & 0o777).toBe(
      0o700,
    );
    expect(
      await bench.guest.readlink('/etc/systemd/system/multi-user.target.wants/longhaul-firstboot.service'),
    ).toBe('/etc/systemd/system/longhaul-firstboot.service');
  });
});
