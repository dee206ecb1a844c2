import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIfcfg } from '../../../../../activities/guest/linux/network/ifcfg.ts';
import { readInterfaces, sourcedPatterns } from '../../../../../activities/guest/linux/network/ifupdown.ts';
import { readKeyfile } from '../../../../../activities/guest/linux/network/keyfile.ts';
import type { NamedInterfaces } from '../../../../../activities/guest/linux/network/model.ts';
import { assignNames } from '../../../../../activities/guest/linux/network/names.ts';
import { readNetplan } from '../../../../../activities/guest/linux/network/netplan.ts';
import { readNetworkd } from '../../../../../activities/guest/linux/network/networkd.ts';
import {
  readDhcpcd,
  readNetctl,
  readWickedXml,
} from '../../../../../activities/guest/linux/network/others.ts';
import { renew, renewDrivers } from '../../../../../activities/guest/linux/network/renewal.ts';
import { vendorOverride } from '../../../../../activities/guest/linux/network/vendor-files.ts';
import { dropStaleRules, readPersistentRules } from '../../../../../activities/guest/linux/network/rules.ts';

const now = '52:54:00:00:00:01';
const old = '00:50:56:aa:bb:cc';
const renewed = new Map([
  [old, now],
  ['pci-0000:0b:00.0', now],
]);

describe('what an interface is found by', () => {
  it.each([
    ['networkd, by its place', '[Match]\nPath=pci-0000:0b:00.0\n', `[Match]\nMACAddress=${now}\n`],
    ['networkd, by another place', '[Match]\nPath=pci-0000:13:00.0\n', '[Match]\nPath=pci-0000:13:00.0\n'],
    ['cloud-init, version 1', `    mac_address: '${old}'\n`, `    mac_address: '${now}'\n`],
    ['ifupdown, by a pattern', `auto mac/${old}=lan\n`, `auto mac/${now}=lan\n`],
    [
      'NetworkManager, upper case',
      '[ethernet]\nmac-address=00:50:56:AA:BB:CC\n',
      `[ethernet]\nmac-address=${now}\n`,
    ],
    [
      'a MAC that is given',
      '[ethernet]\ncloned-mac-address=00:50:56:AA:BB:CC\n',
      '[ethernet]\ncloned-mac-address=00:50:56:AA:BB:CC\n',
    ],
    ['a comment', `# HWADDR=${old}\n`, `# HWADDR=${old}\n`],
  ])('is renewed, or left: %s', (_, before, after) => {
    expect(renew(before, renewed)).toBe(after);
    expect(renew(after, renewed)).toBe(after);
  });

  it.each([
    ['networkd', '[Match]\nDriver=vmxnet3\n', '[Match]\nDriver=virtio_net\n'],
    [
      'netplan',
      '      match:\n        driver: "hv_netvsc"\n',
      '      match:\n        driver: "virtio_net"\n',
    ],
    [
      'netplan, in one line',
      '      match: {driver: [vmxnet3, ena]}\n',
      '      match: {driver: [virtio_net]}\n',
    ],
    ['networkd, several', '[Match]\nDriver=ena ixgbevf vif\n', '[Match]\nDriver=virtio_net\n'],
    ['NetworkManager', '[match]\ndriver=vmxnet3;\n', '[match]\ndriver=virtio_net;\n'],
    ['one that is not a hypervisor', '[Match]\nDriver=brcmfmac\n', '[Match]\nDriver=brcmfmac\n'],
    ['one that is excluded', '[Match]\nDriver=!vmxnet3\n', '[Match]\nDriver=!vmxnet3\n'],
    [
      'one that is named already',
      '[Match]\nDriver=vmxnet3 virtio_net\n',
      '[Match]\nDriver=vmxnet3 virtio_net\n',
    ],
  ])('is the driver of the new cards for %s', (_, before, after) => {
    expect(renewDrivers(before, 'virtio')).toBe(after);
    expect(renewDrivers(after, 'virtio')).toBe(after);
  });

  it('follows the model of the new cards', () => {
    expect(renewDrivers('[Match]\nDriver=e1000\n', 'e1000')).toBe('[Match]\nDriver=e1000\n');
    expect(renewDrivers('[Match]\nDriver=vmxnet3\n', 'e1000e')).toBe('[Match]\nDriver=e1000e\n');
  });
});

describe("a package's file of networkd for the cards of a cloud", () => {
  const amazon =
    '[Match]\nDriver=ena ixgbevf vif\n\n[Link]\nMTUBytes=9001\n\n[Network]\nDHCP=yes\nLLMNR=no\n';
  const path = '/usr/lib/systemd/network/80-ec2.network';

  it('is replaced by one for the new cards, without the frame size of the cloud', () => {
    expect(vendorOverride(amazon, path, 'virtio')).toBe(
      `# Written by Longhaul: ${path} for the cards of this VM. It replaces that file.\n[Match]\nDriver=virtio_net\n\n[Link]\n\n[Network]\nDHCP=yes\nLLMNR=no\n`,
    );
    expect(vendorOverride('[Match]\nDriver=brcmfmac\n', path, 'virtio')).toBeUndefined();
    expect(vendorOverride('[Match]\nDriver=virtio_net\nMTUBytes=9001\n', path, 'virtio')).toBeUndefined();
  });

  it('says that the cards ask for an address, as netplan does', () => {
    const any = [{ on: '*', method: 'dhcp' }];
    expect(readNetworkd(amazon).addresses).toEqual(any);
    expect(readNetworkd('[Match]\nDriver=brcmfmac\n[Network]\nDHCP=yes\n').addresses).toEqual([]);
    const netplan = 'network:\n  ethernets:\n    all:\n      match: {driver: hv_netvsc}\n      dhcp4: true\n';
    expect(readNetplan(netplan).addresses).toEqual(any);
  });
});

describe('rules of udev', () => {
  it('that do more than give a name stay, and those for places on the old hardware are told', () => {
    const more = `SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="${old}", NAME="lan0", RUN+="/sbin/tune"\n`;
    expect(dropStaleRules(more, new Set())).toBe(more);
    expect(readPersistentRules('SUBSYSTEM=="net", KERNELS=="0000:03:00.0", NAME="lan0"\n').remarks).toEqual([
      'The rule that names lan0 finds its card by what the old hardware had.',
    ]);
    expect(
      readPersistentRules(`SUBSYSTEM=="net", DRIVERS=="?*", ATTR{address}=="${old}", NAME="eth0"\n`).remarks,
    ).toEqual([]);
  });
});

const readers: ((text: string) => NamedInterfaces)[] = [
  readInterfaces,
  readNetworkd,
  readKeyfile,
  readPersistentRules,
  readWickedXml,
  readNetctl,
  readDhcpcd,
  (text) => readIfcfg('ifcfg-x', text),
  (text) => readIfcfg(`ifcfg-eth-id-${old}`, text),
];
/** Fragments of such files, put together at random. */
const piece = fc.constantFrom(
  ...[
    'auto ',
    'iface ens192 inet static\n',
    'allow-hotplug /e*/1=x ',
    'rename a=b ',
    'address ',
    '10.0.0.5/24',
    '\n',
    ' ',
    '=',
    '\\\n',
  ],
  ...[
    '[Match]\n',
    '[Network]\n',
    '[connection]\n',
    '[ethernet]\n',
    'Name=',
    'Path=pci-0000:0b:00.0\n',
    'MACAddress=',
    old,
    '\n',
  ],
  ...[
    'type=ethernet\n',
    'interface-name=',
    'HWADDR=',
    'DEVICE="',
    '"',
    "'",
    'IPADDR1=',
    'BRIDGE_PORTS="a b"\n',
    'Driver=vmxnet3\n',
  ],
  ...[
    'network:\n',
    '  ethernets:\n',
    '    a: ',
    '{match: {macaddress: ',
    '}}\n',
    'SUBSYSTEM=="net", ',
    'NAME="x" ',
    '<interface><name>a</name>',
  ],
);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
);

describe('whatever stands in a network file', () => {
  it('stops nobody: it is read, and gives names and addresses of a known form only', () => {
    fc.assert(
      fc.property(text, (any) => {
        sourcedPatterns(any);
        for (const read of readers) {
          const found = read(any);
          const { names, renewed: map } = assignNames([found], [now]);
          for (const { name } of names) expect(name).toMatch(/^[A-Za-z0-9_.-]{1,15}$/);
          for (const mac of map.values()) expect(mac).toBe(now);
          for (const { address } of found.addresses)
            if (address !== undefined) expect(address).toMatch(/^[0-9a-f.:]+\/\d{1,3}$/);
        }
        try {
          readNetplan(any);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is renewed once: the second time changes nothing, and no line is lost or added', () => {
    fc.assert(
      fc.property(text, (any) => {
        const once = renewDrivers(renew(any, renewed), 'virtio');
        expect(renewDrivers(renew(once, renewed), 'virtio')).toBe(once);
        expect(once.split('\n')).toHaveLength(any.split('\n').length);
        const kept = dropStaleRules(any, new Set([now]));
        expect(dropStaleRules(kept, new Set([now]))).toBe(kept);
      }),
    );
  });
});
