import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inGuest, writeFiles } from '../lib/debian.ts';
import { debianPackages } from '../lib/rootfs.ts';
import { proxyEnv, run } from '../lib/run.ts';
import { buildBios } from './debian-bios.ts';
import type { Recipe } from './recipe.ts';

/** Tools of several hypervisors and clouds side by side, and what the fixes for them need beside. */
const packages = [
  'open-vm-tools',
  'waagent',
  'google-guest-agent',
  'hyperv-daemons',
  'cloud-init',
  'openssh-server',
  'selinux-policy-default',
] as const;

/** The instance id that Azure gives: the VM's id. */
export const azureInstanceId = '7d3c6ac0-6f1c-4a0b-9d4d-0c5e3a1b2f64';

export const debianLeftovers: Recipe = {
  about:
    'debian-bios with open-vm-tools, the agents of Azure and Google, the daemons of Hyper-V, cloud-init pinned to Azure, and SELinux',
  disks: 1,
  packages: [...debianPackages, ...packages],
  madeOf: ['recipes/debian-leftovers.ts', 'recipes/debian-bios.ts'],
  build: (dir, say) =>
    buildBios(dir, say, {
      hostname: 'debian-leftovers',
      address: '192.168.122.63',
      rootArgument: '/dev/sda1',
      grubDefaults: ['GRUB_DISABLE_LINUX_UUID=true'],
      async initramfs(tree) {
        say(`installing ${packages.join(', ')}`);
        await installPackages(tree, packages);
        await inGuest(tree, 'useradd', '--create-home', '--shell', '/bin/bash', 'ada');
        await writeFiles(tree, {
          'etc/cloud/cloud.cfg.d/90-azure.cfg': ['datasource_list: [ Azure ]'],
          'etc/cloud/cloud.cfg.d/99-network.cfg': ['network: {config: disabled}'],
          'var/lib/cloud/data/instance-id': [azureInstanceId],
        });
      },
    }),
};

/** The host's apt finds what the guest lacks; the guest's dpkg installs it, and no service is started. */
async function installPackages(tree: string, names: readonly string[]): Promise<void> {
  const archives = join(tree, 'var/cache/installed');
  await mkdir(join(archives, 'partial'), { recursive: true });
  const settings = {
    'Dir::State::status': join(tree, 'var/lib/dpkg/status'),
    'Dir::Cache::archives': archives,
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Debug::NoLocking': 'true',
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const download = ['--quiet', '--yes', '--download-only', ...options, 'install', ...names];
  await run('apt-get', download, { env: proxyEnv() });
  const debs = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  const policy = join(tree, 'usr/sbin/policy-rc.d');
  await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const paths = debs.map((name) => `/var/cache/installed/${name}`);
  const install = () => inGuest(tree, 'env', 'DEBIAN_FRONTEND=noninteractive', 'dpkg', '--install', ...paths);
  // dpkg does not sort packages by what they depend on before they are unpacked; those of Python go two levels.
  for (let level = 0; level < 2; level++) await install().catch(() => undefined);
  await install();
  await rm(policy);
  await rm(archives, { recursive: true });
}
