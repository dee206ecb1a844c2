import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import { networkFix } from '../../../activities/guest/linux/network.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import { staticAddressesFix } from '../../../activities/guest/linux/static-addresses.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { expectedAddresses } from '../../../contracts/addresses.ts';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { quietIo } from '../../support/guest-trees.ts';
import { writeTreesDisk, type SystemTree } from './fixes-trees.ts';

const [first, second] = ['52:54:00:00:00:01', '52:54:00:00:00:02'];
const oldMac = '00:50:56:aa:bb:cc';
const fixes = [networkFix, staticAddressesFix];

const tree = (partition: number, files: SystemTree['files'], wanted: readonly string[] = []): SystemTree => ({
  partition,
  uuid: `cafe0000-0000-4000-8000-0000000001${String(partition).padStart(2, '0')}`,
  files: { 'usr/lib/systemd/systemd': '', 'usr/lib/systemd/system/unit.service': '', ...files },
  links: {
    lib: 'usr/lib',
    sbin: 'usr/sbin',
    ...Object.fromEntries(
      wanted.map((unit) => [
        `etc/systemd/system/multi-user.target.wants/${unit}`,
        '/usr/lib/systemd/system/unit.service',
      ]),
    ),
  },
});

/** RHEL 9: keyfiles, one of them by MAC. */
const rhel9 = tree(
  1,
  {
    'etc/NetworkManager/system-connections/ens192.nmconnection':
      '[connection]\nid=ens192\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\n\n[ipv4]\naddress1=10.0.0.5/24,10.0.0.1\nmethod=manual\n',
    'etc/NetworkManager/system-connections/lan.nmconnection': `[connection]\nid=lan\ntype=ethernet\n\n[ethernet]\nmac-address=${oldMac.toUpperCase()}\n\n[ipv4]\nmethod=auto\n`,
    'usr/sbin/NetworkManager': '',
    'usr/lib64/systemd/libsystemd-shared-252.so': '',
  },
  ['NetworkManager.service'],
);

/** Ubuntu on Azure: cloud-init's netplan by driver and MAC. */
const ubuntu = tree(2, {
  'etc/netplan/50-cloud-init.yaml': `# This file is generated from information provided by the datasource.
network:
    version: 2
    ethernets:
        eth0:
            match:
                driver: hv_netvsc
                macaddress: ${oldMac}
            set-name: eth0
            dhcp4: true
`,
  'etc/cloud/cloud.cfg': 'datasource_list: [ Azure ]\n',
  'var/lib/cloud/data/instance-id': 'i-1\n',
  'usr/lib/systemd/system-generators/netplan': '',
  'usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-255.so': '',
});

/** Debian 12 with systemd-networkd, files by place, and predictable names switched off by the usual link. */
const networkd: SystemTree = tree(
  3,
  {
    'etc/systemd/network/10-lan.link': '[Match]\nPath=pci-0000:0b:00.0\n\n[Link]\nName=lan0\n',
    'etc/systemd/network/20-lan.network':
      '[Match]\nName=lan0\n\n[Network]\nAddress=10.0.0.5/24\nVLAN=vlan7\n',
    'etc/systemd/network/30-vlan.netdev': '[NetDev]\nName=vlan7\nKind=vlan\n\n[VLAN]\nId=7\n',
    'etc/systemd/network/30-vlan.network': '[Match]\nName=vlan7\n\n[Network]\nAddress=10.7.0.5/24\n',
    'etc/systemd/network/99-dhcp-en.network': '[Match]\nName=e*\n\n[Network]\nDHCP=yes\n',
    'etc/network/interfaces': 'auto eth9\niface eth9 inet static\n  address 10.99.0.5/24\n',
    'usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so': '',
  },
  ['systemd-networkd.service'],
);
/** RHEL 7: initscripts and HWADDR, and names like eth0 by net.ifnames=0 and a persistent rule. */
const rhel7: SystemTree = tree(4, {
  'etc/sysconfig/network-scripts/ifcfg-eth0': `DEVICE=eth0\nHWADDR=${oldMac.toUpperCase()}\nONBOOT=yes\nBOOTPROTO=dhcp\nZONE=internal\n`,
  'etc/udev/rules.d/70-persistent-net.rules': `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${oldMac}", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n`,
  'etc/udev/rules.d/80-net-setup-link.rules': '',
  'etc/rc.d/rc3.d/S10network': '',
  'usr/lib64/systemd/libsystemd-shared-252.so': '',
});

/** SLES 15: wicked, a bond. */
const sles = tree(
  5,
  {
    'etc/sysconfig/network/ifcfg-bond0':
      "BOOTPROTO='static'\nIPADDR='10.0.0.5/24'\nSTARTMODE='auto'\nBONDING_MASTER='yes'\nBONDING_SLAVE0='eth0'\nBONDING_SLAVE1='eth1'\n",
    'etc/sysconfig/network/ifcfg-eth0': "BOOTPROTO='none'\nSTARTMODE='hotplug'\n",
    'etc/sysconfig/network/ifcfg-eth1': "BOOTPROTO='none'\nSTARTMODE='hotplug'\n",
    'etc/sysconfig/network/config': 'NETCONFIG_DNS_STATIC_SERVERS=""\n',
    'usr/lib/systemd/libsystemd-shared-249.so': '',
  },
  ['wicked.service'],
);

/** Debian 12 with ifupdown, a sourced file elsewhere, name servers by hand. */
const debian = tree(
  6,
  {
    'etc/network/interfaces':
      'source /etc/network/interfaces.d/*\nsource /etc/network/more/*.cfg\n\nauto lo\niface lo inet loopback\n',
    'etc/network/more/lan.cfg': '# the LAN\nallow-hotplug ens192\niface ens192 inet dhcp\n',
    'etc/resolv.conf': 'nameserver 10.0.0.1\n',
    'usr/sbin/ifup': '',
    'usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so': '',
  },
  ['networking.service'],
);

/** Alpine with busybox and mdev: no udev, and a card that a script of the old home named. */
const alpine: SystemTree = {
  partition: 7,
  uuid: 'cafe0000-0000-4000-8000-000000000107',
  files: {
    'etc/network/interfaces':
      'auto lo\niface lo inet loopback\n\nauto ens192\niface ens192 inet static\n\taddress 10.0.0.5/24\n\tup ip route add 10.1.0.0/16 dev ens192\n',
    'sbin/ifup': '',
    // Of a package that would be of use with udev.
    'lib/udev/rules.d/60-usb.rules': '',
  },
};
/** The same with two cards that nameif names, one of them by a MAC that is gone. */
const alpineByMac: SystemTree = {
  partition: 8,
  uuid: 'cafe0000-0000-4000-8000-000000000108',
  files: {
    'etc/network/interfaces': 'auto lan wan\niface lan inet dhcp\niface wan inet dhcp\n',
    'etc/mactab': `lan ${second}\nwan ${oldMac}\n`,
    'sbin/ifup': '',
  },
};

const dir = mkdtempSync(join(tmpdir(), 'network-'));
let guest: GuestSession;

beforeAll(async () => {
  const disk = join(dir, 'disk.raw');
  await writeTreesDisk(disk, [rhel9, ubuntu, networkd, rhel7, sles, debian, alpine, alpineByMac]);
  guest = await openSession({
    disks: [{ path: disk, format: 'raw' }],
    accelerator: 'tcg',
    readOnly: true,
    io: quietIo(),
    tmpDir: dir,
  });
  const keyfiles = '/etc/NetworkManager/system-connections';
  await guest.mount('/dev/sda1', '/', 'rw');
  for (const name of await guest.ls(keyfiles)) await guest.chmod(0o600, `${keyfiles}/${name}`);
});
afterAll(async () => {
  await guest.close();
  rmSync(dir, { recursive: true, force: true });
});

type Addresses = NonNullable<MigrationSpecInput['guest']>['addresses'];

/** Mounts a system, plans, applies, and plans again: what was planned was done, and nothing is left to do. */
async function fix(
  { partition }: SystemTree,
  addresses?: Addresses,
  macs = [first, second],
): Promise<FixOutcome[]> {
  const device = `/dev/sda${partition}`;
  await guest.umountAll();
  await guest.mount(device, '/', 'rw');
  const root = { device, fsType: 'ext4' };
  const spec = migrationSpec.parse({
    name: 'vm',
    source: { kind: 'image', disks: ['/vm.raw'] },
    guest: addresses === undefined ? {} : { addresses },
  });
  const context: Omit<FixContext, 'earlier'> = {
    guest,
    facts: {
      ...{
        os: 'linux',
        root,
        firmware: 'bios',
        mountpoints: [{ path: '/', ...root }],
        kernels: [],
        warnings: [],
      },
      timings: { launchSeconds: 0, inspectSeconds: 0 },
    },
    vm: { name: 'vm', nics: macs.map((mac) => ({ mac, network: 'default' })) },
    options: spec.guest,
    scratchDir: dir,
    ...quietIo(),
  };
  const planned = await runFixes(fixes, context, 'plan');
  const done = await runFixes(fixes, context, 'apply');
  expect(paths(done)).toEqual(paths(planned));
  expect(paths(await runFixes(fixes, context, 'plan'))).toEqual([]);
  return done;
}

const read = async (path: string) => (await guest.readFile(path)).toString();
const paths = (outcomes: FixOutcome[]) => outcomes.flatMap(({ changes }) => changes.map(({ path }) => path));
const warnings = (outcomes: FixOutcome[]) => outcomes.flatMap((outcome) => outcome.warnings);
const expected = (outcomes: FixOutcome[]) =>
  expectedAddresses(outcomes).map(({ macs, method, address }) => `${address ?? method} on ${macs.join(' ')}`);

describe('the network of a guest on its new cards', () => {
  it("keeps RHEL 9's keyfiles private, and finds the one by MAC again", async () => {
    const done = await fix(rhel9);
    const lan = '/etc/NetworkManager/system-connections/lan.nmconnection';
    expect(paths(done)).toEqual([lan, '/etc/systemd/network/10-longhaul-ens192.link']);
    expect(await read(lan)).toContain(`mac-address=${second}`);
    expect((await guest.stat(lan)).mode & 0o777).toBe(0o600);
    expect(expected(done)).toEqual([`10.0.0.5/24 on ${first}`, `dhcp on ${second}`]);
  });

  it('matches what cloud-init left on Azure, and keeps cloud-init from setting it anew', async () => {
    const done = await fix(ubuntu);
    const netplan = await read('/etc/netplan/50-cloud-init.yaml');
    expect(netplan).toContain('driver: virtio_net');
    expect(netplan).toContain(`macaddress: ${first}`);
    expect(await read('/etc/cloud/cloud.cfg.d/99-longhaul-network.cfg')).toContain(
      'network: {config: disabled}',
    );
    expect(expected(done)).toEqual([`dhcp on ${first}`]);
  });

  it('is found by MAC where systemd-networkd went by place; VLANs and DHCP for the rest count, left-overs do not', async () => {
    const done = await fix(networkd);
    expect(await read('/etc/systemd/network/10-lan.link')).toBe(
      `[Match]\nMACAddress=${second}\n\n[Link]\nName=lan0\n`,
    );
    expect(expected(done)).toEqual([`10.0.0.5/24 on ${second}`, `10.7.0.5/24 on ${second}`]);
  });

  it("names RHEL 7's card by a rule where the one for link files is off", async () => {
    const done = await fix(rhel7, undefined, [first]);
    expect(await read('/etc/sysconfig/network-scripts/ifcfg-eth0')).toContain(`HWADDR=${first}\n`);
    expect(await read('/etc/udev/rules.d/70-persistent-net.rules')).toBe('');
    expect(await read('/etc/udev/rules.d/70-longhaul-net.rules')).toContain(`ATTR{address}=="${first}"`);
    expect(await guest.exists('/etc/systemd/network/10-longhaul-eth0.link')).toBe(false);
    expect(expected(done)).toEqual([`dhcp on ${first}`]);
  });

  it("keeps a bond's members by name on SLES", async () => {
    const done = await fix(sles);
    expect(paths(done)).toEqual([
      '/etc/systemd/network/10-longhaul-eth0.link',
      '/etc/systemd/network/10-longhaul-eth1.link',
    ]);
    expect(expected(done)).toEqual([`10.0.0.5/24 on ${first} ${second}`]);
  });

  it('follows what ifupdown sources', async () => {
    const done = await fix(debian);
    expect(await read('/etc/systemd/network/10-longhaul-ens192.link')).toContain(first);
    // Of VMware's cards ens192 is the first or the second.
    expect(expected(done)).toEqual([`dhcp on ${first} ${second}`]);
    expect(warnings(done)).toEqual([expect.stringContaining(`it was given ${first}`) as string]);
  });
});

describe('the network of a guest without udev', () => {
  it('takes the name that the kernel gives the only card', async () => {
    const done = await fix(alpine, undefined, [first]);
    expect(paths(done)).toEqual(['/etc/network/interfaces']);
    expect(await read('/etc/network/interfaces')).toBe(
      'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n\taddress 10.0.0.5/24\n\tup ip route add 10.1.0.0/16 dev eth0\n',
    );
    expect(expectedAddresses(done)).toEqual([
      { macs: [first], interface: 'eth0', method: 'static', address: '10.0.0.5/24' },
    ]);
    expect(warnings(done)).toEqual([expect.stringContaining('ens192 is eth0 now') as string]);
  });

  it('gets what the spec asks for under the name of the kernel', async () => {
    const done = await fix(alpine, [{ mac: second, address: '10.9.0.5/24' }]);
    expect(paths(done)).toEqual(['/etc/network/interfaces']);
    expect(await read('/etc/network/interfaces')).toContain(
      'iface eth1 inet static\n    address 10.9.0.5/24\n',
    );
    expect(expected(done)).toEqual([`10.0.0.5/24 on ${first}`, `10.9.0.5/24 on ${second}`]);
  });

  it('keeps the names that nameif gives by MAC, and renews the MAC that is gone', async () => {
    const done = await fix(alpineByMac);
    expect(paths(done)).toEqual(['/etc/mactab']);
    expect(await read('/etc/mactab')).toBe(`lan ${second}\nwan ${first}\n`);
    expect(expected(done).toSorted()).toEqual([`dhcp on ${first}`, `dhcp on ${second}`]);
    expect(warnings(done)).toEqual([]);
  });
});

describe('an address that the spec asks for', () => {
  const wanted = [{ mac: first, address: '10.9.0.5/24', gateway: '10.9.0.1', dns: ['10.9.0.2'] }];

  it('is a keyfile of its own on RHEL 9, private, and the old profile is off', async () => {
    const done = await fix(rhel9, wanted);
    const own = '/etc/NetworkManager/system-connections/longhaul-525400000001.nmconnection';
    expect((await guest.stat(own)).mode & 0o777).toBe(0o600);
    expect(await read('/etc/NetworkManager/system-connections/ens192.nmconnection')).toContain(
      'autoconnect=false',
    );
    expect(expected(done)).toEqual([`dhcp on ${second}`, `10.9.0.5/24 on ${first}`]);
  });

  it("is in cloud-init's netplan file on Ubuntu, which cloud-init leaves alone then", async () => {
    const done = await fix(ubuntu, wanted);
    const netplan = await read('/etc/netplan/50-cloud-init.yaml');
    expect(netplan).toContain('10.9.0.5/24');
    expect(netplan).toContain('dhcp4: false');
    expect(netplan).toContain('# This file is generated');
    expect(expected(done)).toEqual([`10.9.0.5/24 on ${first}`]);
  });

  it('is the first file of systemd-networkd', async () => {
    await fix(networkd, wanted);
    expect((await guest.ls('/etc/systemd/network'))[0]).toBe('00-longhaul-525400000001.network');
  });

  it("replaces what RHEL 7's ifcfg file said, and nothing else of it", async () => {
    await fix(rhel7, wanted, [first]);
    const text = await read('/etc/sysconfig/network-scripts/ifcfg-eth0');
    expect(text).toContain('ZONE=internal');
    expect(text).toContain('IPADDR=10.9.0.5\nPREFIX=24\nGATEWAY=10.9.0.1\nDNS1=10.9.0.2\n');
    expect(text).not.toContain('dhcp');
  });

  it('is written for wicked with its route and name server', async () => {
    await fix(sles, wanted);
    expect(await read('/etc/sysconfig/network/ifcfg-eth0')).toContain("IPADDR='10.9.0.5/24'");
    expect(await read('/etc/sysconfig/network/ifroute-eth0')).toBe('default 10.9.0.1 - eth0\n');
    expect(await read('/etc/sysconfig/network/config')).toBe('NETCONFIG_DNS_STATIC_SERVERS="10.9.0.2"\n');
  });

  it('takes the place of the stanza in the file that ifupdown sources', async () => {
    const done = await fix(debian, wanted);
    expect(await read('/etc/network/more/lan.cfg')).toBe(
      '# the LAN\nallow-hotplug ens192\niface ens192 inet static\n    address 10.9.0.5/24\n    gateway 10.9.0.1\n    dns-nameservers 10.9.0.2\n',
    );
    expect(await read('/etc/resolv.conf')).toBe('nameserver 10.9.0.2\n');
    expect(warnings(done)).toEqual([expect.stringContaining(`it was given ${first}`) as string]);
  });

  it('for a card the VM does not have ends the step', async () => {
    await expect(fix(debian, [{ mac: '52:54:00:00:00:99', address: '10.9.0.5/24' }])).rejects.toMatchObject({
      code: 'GUEST_FIX_FAILED',
      found: expect.stringContaining('52:54:00:00:00:99') as string,
    });
  });
});
