import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../support/guest-trees.ts';
import type { SystemTree } from './fixes-trees.ts';

/** Systems with the tools of the hypervisors and clouds they come from, one partition each. */

const uuid = (partition: number) => `1e7f0000-0000-4000-8000-00000000000${partition}`;
const identity = {
  'usr/sbin/nologin': 'ELF',
  'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  'etc/shadow': 'root:$6$x$y:19000:0:99999:7:::\nada:!:19000:0:99999:7:::\n',
  'etc/ssh/ssh_host_ed25519_key': 'the key of the host',
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n',
};
const merged = { bin: 'usr/bin', sbin: 'usr/sbin', lib: 'usr/lib', lib64: 'usr/lib', 'usr/bin/sh': 'dash' };
const systemd = { 'usr/lib/systemd/systemd': 'ELF', 'usr/lib/systemd/system/serial-getty@.service': '' };
const unit = (name: string, wantedBy = 'multi-user.target') => ({
  [`usr/lib/systemd/system/${name}.service`]: `[Service]\nExecStart=/bin/${name}\n[Install]\nWantedBy=${wantedBy}\n`,
});
const enabled = (name: string) => ({
  [`etc/systemd/system/multi-user.target.wants/${name}.service`]: `/usr/lib/systemd/system/${name}.service`,
});
const tools = ['dash', 'env', 'timeout', 'rm', 'grep'];

/** RHEL 6 with VMware Tools from the tarball; the uninstaller stands for the one in Perl and does what that does. */
export const vmwareTarball: SystemTree = {
  partition: 1,
  uuid: uuid(1),
  programs: tools,
  files: {
    ...identity,
    'etc/os-release': 'ID=rhel\nVERSION_ID="6.10"\n',
    'etc/fstab': `UUID=${uuid(1)} / ext4 defaults 1 1\n`,
    'etc/init.d/vmware-tools': '#!/bin/sh\n',
    'etc/vmware-tools/locations': 'answer BINDIR /usr/bin\nanswer RESTORE_RAMDISK_CMD mkinitrd\n',
    'etc/sysconfig/network': 'NETWORKING=yes\nHOSTNAME=old.example.org\n',
    'etc/inittab': 'id:3:initdefault:\n',
    'usr/bin/vmware-config-tools.pl': '#!/usr/bin/perl\n',
    'usr/bin/vmware-uninstall-tools.pl': `#!/usr/bin/dash
grep -q '^remove_answer RESTORE_RAMDISK_CMD$' /etc/vmware-tools/locations || exit 3
test -x /usr/sbin/policy-rc.d || exit 4
rm -r /etc/vmware-tools /etc/init.d/vmware-tools /etc/rc3.d/S03vmware-tools
rm /usr/bin/vmware-config-tools.pl /usr/bin/vmware-uninstall-tools.pl
`,
  },
  links: { ...merged, 'etc/rc3.d/S03vmware-tools': '../init.d/vmware-tools' },
};

/** Oracle's installer, whose uninstaller fails where no additions run; and Parallels, which was half removed. */
export const virtualbox: SystemTree = {
  partition: 2,
  uuid: uuid(2),
  programs: tools,
  files: {
    ...identity,
    ...systemd,
    ...unit('vboxadd'),
    ...unit('vboxadd-service'),
    'etc/os-release': 'ID=fedora\nVERSION_ID=40\n',
    'etc/fstab': `UUID=${uuid(2)} / ext4 defaults 0 1\n`,
    'opt/VBoxGuestAdditions-7.0.12/uninstall.sh': 'echo "vboxguest is still in use" >&2\nexit 1\n',
    'var/lib/VBoxGuestAdditions/config':
      "INSTALL_VER='7.0.12'\nINSTALL_DIR='/opt/VBoxGuestAdditions-7.0.12'\n",
    'usr/bin/prltoolsd': 'ELF',
    'etc/systemd/system/prltoolsd.service': '[Service]\nExecStart=/usr/bin/prltoolsd\n',
  },
  links: {
    ...merged,
    ...enabled('vboxadd'),
    'etc/systemd/system/multi-user.target.wants/prltoolsd.service': '/etc/systemd/system/prltoolsd.service',
  },
};

/** Ubuntu 14.04 from Azure: upstart, an agent that pip installed, cloud-init without ds-identify. */
export const azure: SystemTree = {
  partition: 3,
  uuid: uuid(3),
  files: {
    ...identity,
    'etc/os-release': 'ID=ubuntu\nVERSION_ID="14.04"\n',
    'etc/fstab': `UUID=${uuid(3)} / ext4 defaults 0 1\n/dev/sdb1\t/mnt\tauto\tdefaults,nobootwait,comment=cloudconfig\t0\t2\n`,
    'etc/waagent.conf': 'Provisioning.Enabled=n\n',
    'usr/sbin/waagent': '#!/usr/bin/env python\n',
    'etc/init/walinuxagent.conf': 'start on runlevel [2345]\n',
    'etc/init/tty1.conf': '',
    'etc/rc2.d/S10hv-kvp-daemon': '',
    'usr/sbin/hv_kvp_daemon': 'ELF',
    'etc/cloud/cloud.cfg': 'users: [default]\nssh_deletekeys: true\n',
    'etc/cloud/cloud.cfg.d/90_dpkg.cfg': 'datasource_list: [ Azure, Ec2, None ]\n',
    'var/lib/cloud/data/instance-id': '7d3c6ac0-6f1c-4a0b-9d4d-0c5e3a1b2f64\n',
    'etc/hostname': 'old\n',
    'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 old\n',
    'etc/modprobe.d/hardening.conf': 'blacklist virtio_net\nblacklist floppy\n',
    'etc/udev/rules.d/99-vendor.rules':
      'KERNEL=="sd*", RUN+="/opt/vendor/tune %k"\nKERNEL=="sr*", RUN+="/usr/sbin/waagent"\n',
  },
  links: merged,
};

/** Amazon Linux without its database of packages: an agent in a snap, and XenServer's daemon. */
export const ec2: SystemTree = {
  partition: 4,
  uuid: uuid(4),
  files: {
    ...identity,
    ...systemd,
    ...unit('xe-linux-distribution'),
    ...unit('google-guest-agent'),
    'etc/os-release': 'ID=amzn\nVERSION_ID="2023"\n',
    'etc/fstab': `UUID=${uuid(4)} / ext4 defaults 0 1\n`,
    'var/lib/snapd/snaps/amazon-ssm-agent_7993.snap': 'hsqs',
    'etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service': '[Service]\n',
    'usr/sbin/xe-daemon': 'ELF',
    'usr/bin/google_guest_agent': 'ELF',
    'usr/bin/qemu-ga': 'ELF',
    ...unit('qemu-guest-agent', 'dev-virtio\\x2dports-org.qemu.guest_agent.0.device'),
  },
  links: {
    ...merged,
    'etc/systemd/system/multi-user.target.wants/snap.amazon-ssm-agent.amazon-ssm-agent.service':
      '/etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service',
  },
};

/** RHEL 9 with a real rpm and its database: open-vm-tools alone, the SSM agent with something that needs it. */
export const rhel9: SystemTree = {
  partition: 5,
  uuid: uuid(5),
  programs: [...tools, 'rpm'],
  files: {
    ...identity,
    ...systemd,
    'etc/os-release': 'ID=rhel\nVERSION_ID="9.4"\n',
    'etc/fstab': `UUID=${uuid(5)} / ext4 defaults 0 1\n`,
    'usr/lib/rpm/macros':
      '%_dbpath /var/lib/rpm\n%_db_backend sqlite\n%_rpmlock_path %{_dbpath}/.rpm.lock\n%_pkgverify_level digest\n',
    'home/ada/.bashrc': '',
  },
  links: merged,
  prepare: async (root) => {
    await mkdir(join(root, 'usr/lib/rpm'), { recursive: true });
    await writeFile(join(root, 'usr/lib/rpm/rpmrc'), await readFile('/usr/lib/rpm/rpmrc'));
    const dir = await mkdtemp(join(tmpdir(), 'longhaul-rpms-'));
    const packages = await buildRpms(dir, [
      {
        name: 'open-vm-tools',
        files: { 'usr/bin/vmtoolsd': 'ELF', ...unit('vmtoolsd') },
      },
      { name: 'amazon-ssm-agent', files: { 'usr/bin/amazon-ssm-agent': 'ELF', ...unit('amazon-ssm-agent') } },
      { name: 'fleet-policy', files: { 'etc/fleet': '' }, requires: 'amazon-ssm-agent' },
    ]);
    const database = ['--define', '_dbpath /var/lib/rpm', '--define', '_db_backend sqlite'];
    await run('rpm', ['--root', root, ...database, '-i', '--nodeps', ...packages]);
    await rm(dir, { recursive: true });
  },
};

export const leftoverTrees = [vmwareTarball, virtualbox, azure, ec2, rhel9] as const;

export interface SmallRpm {
  name: string;
  files: Readonly<Record<string, string>>;
  requires?: string;
}

/** Real packages of a few files. @returns their paths, below `dir`, which is made */
export async function buildRpms(dir: string, packages: readonly SmallRpm[]): Promise<string[]> {
  const made: string[] = [];
  for (const { name, files, requires } of packages) {
    const root = join(dir, 'root', name);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    const spec = [
      `Name: ${name}\nVersion: 1.0\nRelease: 1.el9\nSummary: ${name}\nLicense: MIT\nBuildArch: noarch`,
      requires === undefined ? '' : `Requires: ${requires}`,
      `%description\n${name}\n%files\n${Object.keys(files)
        .map((path) => `/${path}`)
        .join('\n')}\n`,
    ];
    await writeFile(join(dir, `${name}.spec`), spec.join('\n'));
    const defines = ['--define', `_topdir ${dir}`, '--define', '__os_install_post %{nil}'];
    await run('rpmbuild', [...defines, '--buildroot', root, '-bb', join(dir, `${name}.spec`)]);
    made.push(join(dir, 'RPMS/noarch', `${name}-1.0-1.el9.noarch.rpm`));
  }
  for (const name of ['root', 'BUILD']) await rm(join(dir, name), { recursive: true, force: true });
  return made;
}
