import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { initPieces, runner, scriptName } from '../../../../activities/guest/linux/first-boot-text.ts';
import { fittingPackages, wantedBy } from '../../../../activities/guest/linux/guest-agent-text.ts';
import { renameInHosts, renameInSysconfig } from '../../../../activities/guest/linux/hostname-text.ts';
import { labelsIn, selinuxConfig, withParents } from '../../../../activities/guest/linux/selinux-text.ts';
import { accountIn, addKeys } from '../../../../activities/guest/linux/ssh-keys-text.ts';

describe('a new host name', () => {
  it('takes the place of the old one in /etc/hosts, in full and in short', () => {
    const hosts =
      '127.0.0.1\tlocalhost\n127.0.1.1\told.example.org old # old\n10.0.0.5 old.example.org older\n# 10.0.0.6 old\n';
    expect(renameInHosts(hosts, 'old.example.org', 'new.example.org')).toBe(
      '127.0.0.1\tlocalhost\n127.0.1.1\tnew.example.org new # old\n10.0.0.5 new.example.org older\n# 10.0.0.6 old\n',
    );
    expect(renameInHosts(hosts, 'old', 'new')).toContain('127.0.1.1\told.example.org new # old');
  });

  it('never takes localhost from the loopback address', () => {
    expect(renameInHosts('127.0.0.1 localhost\n', 'localhost', 'new')).toBe('127.0.0.1 localhost\n');
  });

  it('is written to the old file of RHEL only where that has a line for it', () => {
    expect(renameInSysconfig('NETWORKING=yes\nHOSTNAME=old\n', 'new')).toBe('NETWORKING=yes\nHOSTNAME=new\n');
    expect(renameInSysconfig('NETWORKING=yes\n', 'new')).toBe('NETWORKING=yes\n');
  });
});

describe('public keys', () => {
  const key = (blob: string, comment = '') => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA${blob}${comment}`;

  it('are added at the end, once, and an equal key with options counts', () => {
    const text = `# mine\nfrom="10.0.0.0/8" ${key('one', ' ada@home')}`;
    const after = addKeys(text, [key('one'), key('two', ' ops'), key('two')]);
    expect(after).toBe(`${text}\n${key('two', ' ops')}\n`);
    expect(addKeys(after, [key('one'), key('two')])).toBe(after);
  });

  it('are added when a comment has them', () => {
    expect(addKeys(`# ${key('one')}\n`, [key('one')])).toContain(`\n${key('one')}\n`);
  });

  it('belong to an account that passwd has, with its own ids and home', () => {
    const passwd =
      'root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001::/srv/home/ada:/bin/sh\nbad:x:no:1::/x:\n+\n';
    expect(accountIn(passwd, 'ada')).toEqual({ uid: 1000, gid: 1001, home: '/srv/home/ada' });
    expect(accountIn(passwd, 'bad')).toBeUndefined();
    expect(accountIn(passwd, 'ad')).toBeUndefined();
  });

  it('never break on what a guest calls its files', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, user) => {
        accountIn(text, user);
        const once = addKeys(text, [key('one')]);
        expect(addKeys(once, [key('one')])).toBe(once);
      }),
    );
  });
});

describe('scripts of the first boot', () => {
  it('are named by their order and what is safe of their name', () => {
    expect(scriptName(3, '/srv/join domain;rm -rf.sh')).toBe('0003-join_domain_rm_-rf.sh');
  });

  it.each(['systemd', 'sysv', 'openrc'] as const)(
    'are started by %s, whose files the runner removes',
    (init) => {
      for (const { path } of initPieces(init)) {
        const level = path.replace(/rc[0-6]\.d/, 'rc[0-6].d');
        expect(runner).toContain(level);
      }
    },
  );

  it('run once each in their order, whatever they end with, and then all is gone but the log', () => {
    const root = mkdtempSync(join(tmpdir(), 'first-boot-'));
    onTestFinished(() => {
      rmSync(root, { recursive: true, force: true });
    });
    const home = join(root, 'var/lib/longhaul/firstboot');
    for (const folder of ['var/log', 'dev', 'etc/init.d', 'etc/rc3.d', 'var/lib/longhaul/firstboot/scripts'])
      mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, 'dev/console'), '');
    writeFileSync(join(root, 'etc/init.d/longhaul-firstboot'), '');
    symlinkSync('../init.d/longhaul-firstboot', join(root, 'etc/rc3.d/S99longhaul-firstboot'));
    const script = (name: string, lines: string) => {
      writeFileSync(join(home, 'scripts', name), `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
    };
    script('0001-fails', 'echo one; echo to-stderr >&2; exit 3');
    script('0002-reads', 'cat; echo two');
    // One that a restart cut short is not run again.
    mkdirSync(join(home, 'running'));
    writeFileSync(join(home, 'running/0000-restarts'), '#!/bin/sh\necho again\n', { mode: 0o700 });

    const moved = runner.replace(/(?<![\w/])\/(var|etc|dev(?!\/null))\//g, `${root}/$1/`);
    execFileSync('sh', ['-c', moved]);
    const log = readFileSync(join(root, 'var/log/longhaul-firstboot.log'), 'utf8');
    expect(log.split('\n')).toEqual([
      'longhaul: 0001-fails begins',
      'one',
      'to-stderr',
      'longhaul: 0001-fails ended with 3',
      'longhaul: 0002-reads begins',
      'two',
      'longhaul: 0002-reads ended with 0',
      'longhaul: the first boot is over',
      '',
    ]);
    expect(existsSync(join(root, 'var/lib/longhaul'))).toBe(false);
    expect(readdirSync(join(root, 'etc'), { recursive: true }).sort()).toEqual(['init.d', 'rc3.d']);
  });

  it('are run by a script that a POSIX shell takes', () => {
    const texts = [runner, ...initPieces('sysv').flatMap(({ text }) => text ?? [])];
    for (const text of texts) expect(execFileSync('sh', ['-n'], { input: text }).toString()).toBe('');
  });
});

describe('packages offered for the guest agent', () => {
  const files = [
    '/p/libnuma1_2.0.16-1_amd64.deb',
    '/p/qemu-guest-agent_7.2+dfsg-7_amd64.deb',
    '/p/qemu-guest-agent_10.0.2_amd64.deb',
    '/p/qemu-guest-agent_10.0.2_arm64.deb',
    '/p/notes_1_all.deb',
    '/p/qemu-guest-agent-8.2.0-11.el9.x86_64.rpm',
    '/p/qemu-guest-agent-8.2.0-11.el9.aarch64.rpm',
  ];

  it('are taken by package manager and architecture, the newest agent first', () => {
    expect(fittingPackages(files, 'dpkg', 'x86_64').map(({ path }) => path)).toEqual([
      '/p/qemu-guest-agent_10.0.2_amd64.deb',
      '/p/qemu-guest-agent_7.2+dfsg-7_amd64.deb',
      '/p/notes_1_all.deb',
      '/p/libnuma1_2.0.16-1_amd64.deb',
    ]);
    expect(fittingPackages(files, 'rpm', 'x86_64')).toEqual([
      { path: '/p/qemu-guest-agent-8.2.0-11.el9.x86_64.rpm', isAgent: true },
    ]);
    expect(fittingPackages(files, 'rpm', 'aarch64')).toHaveLength(1);
  });

  it('come with a unit whose wishes are obeyed, and nothing else of it', () => {
    expect(
      wantedBy(
        '[Install]\nWantedBy=dev-virtio\\x2dports-org.qemu.guest_agent.0.device\nWantedBy=../../x.target\n',
      ),
    ).toEqual(['dev-virtio\\x2dports-org.qemu.guest_agent.0.device']);
  });
});

describe('SELinux', () => {
  it('counts when its configuration says so, with the policy it names', () => {
    expect(selinuxConfig('# SELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=mls\n')).toEqual({
      mode: 'enforcing',
      policy: 'mls',
    });
    expect(selinuxConfig('SELINUX=Permissive\n').mode).toBe('permissive');
    expect(selinuxConfig('SELINUX=disabled\n').mode).toBe('disabled');
    expect(selinuxConfig('SELINUXTYPE=targeted\n')).toEqual({ mode: 'disabled', policy: 'targeted' });
  });

  it('has labels for files as matchpathcon prints them', () => {
    const output =
      '/etc/hostname\tsystem_u:object_r:hostname_etc_t:s0\n/etc/a b\tsystem_u:object_r:etc_t\n/proc\t<<none>>\nmatchpathcon: error\n';
    expect([...labelsIn(output)]).toEqual([
      ['/etc/hostname', 'system_u:object_r:hostname_etc_t:s0'],
      ['/etc/a b', 'system_u:object_r:etc_t'],
    ]);
  });

  it('labels new directories with the files in them', () => {
    expect(withParents(['/var/lib/x', '/etc/y'])).toEqual([
      '/etc',
      '/etc/y',
      '/var',
      '/var/lib',
      '/var/lib/x',
    ]);
  });
});
