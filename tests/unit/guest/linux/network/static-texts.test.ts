import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configuredAddresses } from '../../../../../activities/guest/linux/network/addresses.ts';
import { readIfcfg } from '../../../../../activities/guest/linux/network/ifcfg.ts';
import { readInterfaces } from '../../../../../activities/guest/linux/network/ifupdown.ts';
import { readKeyfile } from '../../../../../activities/guest/linux/network/keyfile.ts';
import type { NamedInterfaces } from '../../../../../activities/guest/linux/network/model.ts';
import { readNetplan } from '../../../../../activities/guest/linux/network/netplan.ts';
import { readNetworkd } from '../../../../../activities/guest/linux/network/networkd.ts';
import { editNetplan, netplanFile } from '../../../../../activities/guest/linux/network/static-netplan.ts';
import {
  editInterfaces,
  editResolvConf,
  keyfile,
  networkdFile,
  rhelIfcfg,
  setIniKey,
  suseIfcfg,
  suseRoutes,
} from '../../../../../activities/guest/linux/network/static-texts.ts';

const mac = '52:54:00:00:00:0a';
const settings = {
  mac,
  name: 'ens192',
  addresses: ['10.9.0.5/24', '2001:db8:9::5/64'],
  gateways: ['10.9.0.1', '2001:db8:9::1'],
  dns: ['10.9.0.2', '2001:db8:9::2'],
};

/** What a reader makes of a text that was written, for the card ens192. */
function addressesIn(found: NamedInterfaces): string[] {
  const plan = { names: [{ name: 'ens192', mac }], renewed: new Map<string, string>() };
  return configuredAddresses([found], plan, [mac]).map(({ method, address }) => address ?? method);
}

describe('a static address is written', () => {
  it('for systemd-networkd, by MAC', () => {
    const text = networkdFile(settings);
    expect(text).toContain(`[Match]\nMACAddress=${mac}\nPath=*\n`);
    expect(text).toContain('Gateway=10.9.0.1\nGateway=2001:db8:9::1\nDNS=10.9.0.2\n');
    expect(addressesIn(readNetworkd(text))).toEqual(settings.addresses);
  });

  it('for NetworkManager as a keyfile that wins over other profiles', () => {
    const text = keyfile(settings);
    expect(text).toContain('autoconnect-priority=100');
    expect(text).toContain('[ipv4]\nmethod=manual\naddress1=10.9.0.5/24,10.9.0.1\ndns=10.9.0.2;\n');
    expect(text).toMatch(/uuid=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}\n/);
    expect(addressesIn(readKeyfile(text))).toEqual(settings.addresses);
    const four = { ...settings, addresses: ['10.9.0.5/24'], gateways: [], dns: [] };
    expect(keyfile(four)).toContain('[ipv6]\nmethod=auto\n');
  });

  it('for RHEL, into the ifcfg file that was there, which keeps its other lines', () => {
    const before =
      'TYPE="Ethernet"\nBOOTPROTO="dhcp"\nNAME="ens192"\nUUID="5fb06bd0"\nDEVICE="ens192"\nONBOOT="no"\nZONE=internal\nIPADDR1=10.0.0.6\n# a remark\n';
    const after = rhelIfcfg(before, settings);
    expect(after).toContain(
      'TYPE="Ethernet"\nNAME="ens192"\nUUID="5fb06bd0"\nDEVICE="ens192"\nZONE=internal\n# a remark\n',
    );
    expect(after).toContain('ONBOOT=yes\nBOOTPROTO=none\nIPADDR=10.9.0.5\nPREFIX=24\nGATEWAY=10.9.0.1\n');
    expect(after).not.toMatch(/dhcp|10\.0\.0\.6/);
    expect(addressesIn(readIfcfg('ifcfg-ens192', after))).toEqual(settings.addresses);
    expect(rhelIfcfg(after, settings)).toBe(after);
    expect(rhelIfcfg(undefined, settings)).toContain(`DEVICE=ens192\nTYPE=Ethernet\nHWADDR=${mac}\n`);
  });

  it('for SUSE, with its route in a file beside', () => {
    const after = suseIfcfg("BOOTPROTO='dhcp'\nSTARTMODE='auto'\nZONE=public\n", settings);
    expect(after).toContain('ZONE=public\n');
    expect(addressesIn(readIfcfg('ifcfg-ens192', after))).toEqual(settings.addresses);
    expect(suseIfcfg(after, settings)).toBe(after);
    const routes = suseRoutes('default 10.0.0.1 - -\n192.168.0.0/16 10.0.0.2 - ens192\n', settings);
    expect(routes).toBe(
      '192.168.0.0/16 10.0.0.2 - ens192\ndefault 10.9.0.1 - ens192\ndefault 2001:db8:9::1 - ens192\n',
    );
    expect(suseRoutes(routes, settings)).toBe(routes);
  });

  it('for ifupdown in the place of the old stanzas; those of others stay', () => {
    const before = `auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens192
iface ens192 inet dhcp
    up logger up
iface ens192 inet6 auto

# Another
auto ens224
iface ens224 inet static
    address 10.1.0.5/24
`;
    const after = editInterfaces(before, settings, true);
    expect(after).toBe(`auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens192
iface ens192 inet static
    address 10.9.0.5/24
    gateway 10.9.0.1
    dns-nameservers 10.9.0.2 2001:db8:9::2
iface ens192 inet6 static
    address 2001:db8:9::5/64
    gateway 2001:db8:9::1

# Another
auto ens224
iface ens224 inet static
    address 10.1.0.5/24
`);
    expect(editInterfaces(after, settings, true)).toBe(after);
    expect(addressesIn(readInterfaces(after))).toEqual(settings.addresses);
    expect(editInterfaces(before, settings, false)).not.toContain('iface ens192');
  });

  it('for ifupdown that did not know the card, brought up at boot', () => {
    const after = editInterfaces('auto lo\niface lo inet loopback\n', settings, true);
    expect(after).toContain('auto ens192\niface ens192 inet static\n');
    expect(editInterfaces(after, settings, true)).toBe(after);
  });

  it('for netplan in the entry of the card; comments, other cards and other keys stay', () => {
    const before = `# by hand
network:
  version: 2
  renderer: networkd
  ethernets:
    first:
      match: {macaddress: "52:54:00:00:00:0A"} # the card
      mtu: 9000
      dhcp4: true
      gateway4: 10.0.0.1
      routes:
        - {to: 172.16.0.0/12, via: 10.0.0.2}
    ens224:
      dhcp4: true
`;
    const { text, known } = editNetplan(before, settings, true);
    expect(known).toBe(true);
    expect(text).toContain('# by hand\n');
    expect(text).toContain('# the card');
    expect(text).toContain('mtu: 9000');
    expect(text).not.toMatch(/gateway4|172\.16/);
    expect(text).toContain('ens224:\n      dhcp4: true');
    expect(readNetplan(text).addresses).toEqual([
      ...settings.addresses.map((address) => ({ on: mac, method: 'static', address })),
      { on: 'ens224', method: 'dhcp' },
    ]);
    expect(editNetplan(text, settings, true).text).toBe(text);
    expect(readNetplan(editNetplan(before, settings, false).text).addresses).toEqual([
      { on: 'ens224', method: 'dhcp' },
    ]);
    expect(editNetplan(before, { ...settings, mac: '52:54:00:00:00:0f', name: 'x' }, true)).toEqual({
      text: before,
      known: false,
      lost: [],
    });
  });

  it('for netplan that did not know the card, in a file of its own', () => {
    expect(addressesIn(readNetplan(netplanFile([settings])))).toEqual(settings.addresses);
  });

  it('into resolv.conf, with its search list kept', () => {
    expect(editResolvConf('search example.org\nnameserver 10.0.0.1\n', settings.dns)).toBe(
      'search example.org\nnameserver 10.9.0.2\nnameserver 2001:db8:9::2\n',
    );
  });

  it('with a profile of NetworkManager switched off', () => {
    const before = '[connection]\nid=a\nautoconnect=true\n\n[ipv4]\nmethod=auto\n';
    const after = '[connection]\nautoconnect=false\nid=a\n\n[ipv4]\nmethod=auto\n';
    expect(setIniKey(before, 'connection', 'autoconnect', 'false')).toBe(after);
    expect(setIniKey(after, 'connection', 'autoconnect', 'false')).toBe(after);
  });
});

/** Lines as they stand in such files, in any order. */
const line = fc.constantFrom(
  ...[
    'auto lo',
    'auto ens192',
    'iface ens192 inet dhcp',
    'iface ens224 inet static',
    '    address 10.1.0.5/24',
    '',
    '# x',
  ],
  ...[
    'BOOTPROTO=dhcp',
    'DEVICE="ens192"',
    'IPADDR=1.2.3.4',
    'garbage',
    '[connection]',
    'id=a',
    '[ipv4]',
    'autoconnect=true',
  ],
);

describe('whatever stands in a file', () => {
  it('is edited to the same text the second time, and lines that are not about the card stay', () => {
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const text = lines.join('\n');
        const edits = [
          (before: string) => editInterfaces(before, settings, true),
          (before: string) => rhelIfcfg(before, settings),
          (before: string) => suseIfcfg(before, settings),
          (before: string) => setIniKey(before, 'connection', 'autoconnect', 'false'),
        ];
        for (const edit of edits) expect(edit(edit(text))).toBe(edit(text));
        for (const edit of edits.slice(1, 3)) {
          const now = edit(text).split('\n');
          for (const kept of lines.filter((each) => /garbage|DEVICE|# x/.test(each)))
            expect(now).toContain(kept);
        }
      }),
    );
  });
});
