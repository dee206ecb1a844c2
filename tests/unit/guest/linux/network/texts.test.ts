import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIfcfg } from '../../../../../activities/guest/linux/network/ifcfg.ts';
import { readInterfaces } from '../../../../../activities/guest/linux/network/ifupdown.ts';
import { readKeyfile } from '../../../../../activities/guest/linux/network/keyfile.ts';
import { readNetplan } from '../../../../../activities/guest/linux/network/netplan.ts';
import { readNetworkd } from '../../../../../activities/guest/linux/network/networkd.ts';
import { renew } from '../../../../../activities/guest/linux/network/renewal.ts';
import {
  dropStaleRules,
  readMactab,
  readPersistentRules,
} from '../../../../../activities/guest/linux/network/rules.ts';

const names = (found: { physical: { name: string }[] }) => [
  ...new Set(found.physical.map(({ name }) => name)),
];

describe('reading a network configuration', () => {
  it('understands ifupdown of Debian 11 and 12: interfaces, bridges, bonds, VLANs', () => {
    const found = readInterfaces(
      `source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback
allow-hotplug ens192
iface ens192 inet static
    address 10.0.0.5/24
    gateway 10.0.0.1
auto br0
iface br0 inet dhcp
    bridge_ports ens224
auto bond0
iface bond0 inet manual
    bond-slaves ens256 \\
       ens161
auto vlan7
iface vlan7 inet manual
    vlan-raw-device ens192
`,
    );
    expect(names(found)).toEqual(expect.arrayContaining(['ens192', 'ens224', 'ens256', 'ens161']));
    expect(found.virtual).toEqual(expect.arrayContaining(['br0', 'bond0', 'vlan7']));
  });

  it('understands systemd-networkd: names, addresses and devices of its own making', () => {
    expect(readNetworkd('[Match]\nName=ens192 ens224\n[Network]\nDHCP=yes\n').physical).toEqual([
      { name: 'ens192' },
      { name: 'ens224' },
    ]);
    expect(readNetworkd('[Match]\nMACAddress=00:50:56:AA:BB:CC\n[Link]\nName=lan0\n').physical).toEqual([
      { name: 'lan0', mac: '00:50:56:aa:bb:cc' },
    ]);
    expect(readNetworkd('[Match]\nMACAddress=00:50:56:aa:bb:cc\n[Network]\nDHCP=yes\n').macs).toEqual([
      '00:50:56:aa:bb:cc',
    ]);
    expect(readNetworkd('[NetDev]\nName=br0\nKind=bridge\n').virtual).toEqual(['br0']);
    expect(readNetworkd('[Match]\nType=wlan\nName=wlan0\n').physical).toEqual([]);
  });

  it('understands netplan of Ubuntu 22.04 and 24.04, cloud-init included', () => {
    const found = readNetplan(`network:
  version: 2
  ethernets:
    ens160:
      dhcp4: true
    cloud:
      match: {macaddress: "00:50:56:AA:BB:CC"}
      set-name: eth5
    any:
      match: {name: "en*"}
  bridges:
    br0: {interfaces: [ens160]}
`);
    expect(found.physical).toEqual([
      { name: 'ens160' },
      { name: 'eth5', mac: '00:50:56:aa:bb:cc' },
      { name: 'en*' },
    ]);
    expect(found.virtual).toEqual(['br0']);
  });

  it('understands NetworkManager keyfiles of RHEL 9', () => {
    expect(
      readKeyfile(
        '[connection]\nid=ens192\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\n\n[ipv4]\nmethod=auto\n',
      ).physical,
    ).toEqual([{ name: 'ens192' }]);
    expect(readKeyfile('[connection]\ntype=bridge\ninterface-name=br0\n').virtual).toEqual(['br0']);
    expect(
      readKeyfile('[connection]\ntype=ethernet\n[ethernet]\nmac-address=00:50:56:AA:BB:CC\n').macs,
    ).toEqual(['00:50:56:aa:bb:cc']);
  });

  it('understands ifcfg files of RHEL 7 and 8 and of SLES', () => {
    expect(
      readIfcfg(
        'ifcfg-ens192',
        'TYPE="Ethernet"\nBOOTPROTO="none"\nNAME="ens192"\nDEVICE="ens192"\nONBOOT="yes"\n',
      ).physical,
    ).toEqual([{ name: 'ens192' }]);
    expect(readIfcfg('ifcfg-eth0', 'DEVICE=eth0\nHWADDR=00:50:56:AA:BB:CC\n').physical).toEqual([
      { name: 'eth0', mac: '00:50:56:aa:bb:cc' },
    ]);
    expect(readIfcfg('ifcfg-Wired', 'TYPE=Ethernet\nHWADDR=00:50:56:AA:BB:CC\n').macs).toEqual([
      '00:50:56:aa:bb:cc',
    ]);
    expect(readIfcfg('ifcfg-eth0', "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n").physical).toEqual([
      { name: 'eth0' },
    ]);
    expect(readIfcfg('ifcfg-br0', "STARTMODE='auto'\nBRIDGE='yes'\nBRIDGE_PORTS='eth1'\n")).toMatchObject({
      virtual: ['br0'],
      physical: [{ name: 'eth1' }],
    });
    expect(readIfcfg('ifcfg-bond0', 'DEVICE=bond0\nTYPE=Bond\nBONDING_OPTS="mode=1"\n').virtual).toEqual([
      'bond0',
    ]);
  });

  it('survives any text', () => {
    const readers = [
      readInterfaces,
      readNetworkd,
      readKeyfile,
      readPersistentRules,
      readMactab,
      (text: string) => readIfcfg('ifcfg-x', text),
    ];
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const read of readers) read(text);
        try {
          readNetplan(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a netplan file that is no YAML, or made to blow up', () => {
    expect(() => readNetplan('network: [unclosed\n')).toThrow();
    const bomb = `a: &a [x, x]\n${Array.from({ length: 30 }, (_, i) => `k${i}: &k${i} [*${i ? `k${i - 1}` : 'a'}, *${i ? `k${i - 1}` : 'a'}]`).join('\n')}\n`;
    expect(() => readNetplan(bomb)).toThrow();
  });
});

const rules = `# This file was automatically generated by the /lib/udev/write_net_rules
# PCI device 0x15ad:0x07b0 (vmxnet3)
SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="00:50:56:aa:bb:cc", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"

# PCI device 0x15ad:0x07b0 (vmxnet3)
SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="00:50:56:aa:bb:dd", ATTR{type}=="1", KERNEL=="eth*", NAME="eth1"
`;

describe('rules and addresses of cards that are gone', () => {
  it('are forgotten, and those of cards that stay are kept', () => {
    expect(readPersistentRules(rules).physical).toEqual([
      { name: 'eth0', mac: '00:50:56:aa:bb:cc' },
      { name: 'eth1', mac: '00:50:56:aa:bb:dd' },
    ]);
    const kept = dropStaleRules(rules, new Set(['00:50:56:aa:bb:dd']));
    expect(kept).not.toContain('eth0');
    expect(kept).toContain('NAME="eth1"');
    expect(kept.match(/PCI device/g)).toHaveLength(1);
  });

  it('are renewed where an interface is found by its MAC, not where it is given one', () => {
    const renewed = new Map([['00:50:56:aa:bb:cc', '52:54:00:00:00:01']]);
    expect(renew('HWADDR="00:50:56:AA:BB:CC"\nMACADDR=00:50:56:aa:bb:cc\n', renewed)).toBe(
      'HWADDR="52:54:00:00:00:01"\nMACADDR=00:50:56:aa:bb:cc\n',
    );
    const network = '[Match]\nMACAddress=00:50:56:aa:bb:cc\n[Link]\nMACAddress=00:50:56:aa:bb:cc\n';
    expect(renew(network, renewed)).toBe(
      '[Match]\nMACAddress=52:54:00:00:00:01\n[Link]\nMACAddress=00:50:56:aa:bb:cc\n',
    );
    expect(renew('        macaddress: 00:50:56:aa:bb:cc\n', renewed)).toBe(
      '        macaddress: 52:54:00:00:00:01\n',
    );
  });
});
