import { describe, expect, it } from 'vitest';
import { configuredAddresses } from '../../../../../activities/guest/linux/network/addresses.ts';
import { readIfcfg } from '../../../../../activities/guest/linux/network/ifcfg.ts';
import { readInterfaces, sourcedPatterns } from '../../../../../activities/guest/linux/network/ifupdown.ts';
import { readKeyfile } from '../../../../../activities/guest/linux/network/keyfile.ts';
import { asAddress, type NamedInterfaces } from '../../../../../activities/guest/linux/network/model.ts';
import { assignNames } from '../../../../../activities/guest/linux/network/names.ts';
import { readCloudNetwork, readNetplan } from '../../../../../activities/guest/linux/network/netplan.ts';
import { readNetworkd } from '../../../../../activities/guest/linux/network/networkd.ts';
import {
  readDhcpcd,
  readNetctl,
  readWickedXml,
} from '../../../../../activities/guest/linux/network/others.ts';

const [a, b] = ['52:54:00:00:00:0a', '52:54:00:00:00:0b'] as const;
const old = '00:50:56:aa:bb:cc';

/** Which addresses a VM with the cards a and b comes up with, as `address on MACs`: on either, where nothing says which. */
function addressesOf(...found: NamedInterfaces[]): string[] {
  const macs = [a, b];
  const resolved = configuredAddresses(found, assignNames(found, macs), macs);
  return resolved.map(({ macs: on, method, address }) => `${address ?? method} on ${on.join(' ')}`);
}

describe('the addresses a configuration sets, by the cards they are on', () => {
  it('are read from ifupdown: Debian with static IPv4 and IPv6, a netmask, and DHCP', () => {
    const text = `# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens192
iface ens192 inet static
\taddress 10.0.0.5
\tnetmask 255.255.254.0
\tgateway 10.0.0.1
\t# dns-* options are implemented by the resolvconf package, if installed
\tdns-nameservers 10.0.0.1
iface ens192 inet6 static
\taddress 2001:DB8:0::5/64

auto ens224
iface ens224 inet dhcp
`;
    expect(addressesOf(readInterfaces(text))).toEqual([
      `10.0.0.5/23 on ${a}`,
      `2001:db8::5/64 on ${a}`,
      `dhcp on ${b}`,
    ]);
  });

  it('are left out where ifupdown does not bring the interface up at boot, and for templates', () => {
    const text = `iface common inet static
    mtu 9000
    address 10.9.9.9/24
auto ens192
iface ens192 inet static inherits common
    address 10.0.0.5/24
iface ens224 inet static
    address 10.1.0.5/24
`;
    expect(addressesOf(readInterfaces(text))).toEqual([`10.0.0.5/24 on ${a}`]);
    expect(readInterfaces(text).physical.map(({ name }) => name)).not.toContain('common');
  });

  it('are found behind bridges, bonds and VLANs of ifupdown', () => {
    const text = `auto bond0
iface bond0 inet manual
    bond-slaves ens192 ens224
    bond-mode active-backup
auto bond0.100
iface bond0.100 inet static
    address 10.100.0.5/24
    vlan-raw-device bond0
auto vmbr0
iface vmbr0 inet static
    address 10.0.0.5/24
    bridge-ports bond0
`;
    expect(addressesOf(readInterfaces(text))).toEqual([
      `10.100.0.5/24 on ${a} ${b}`,
      `10.0.0.5/24 on ${a} ${b}`,
    ]);
  });

  it('are found behind the patterns of ifupdown: by MAC, renamed, by name', () => {
    expect(
      addressesOf(readInterfaces(`auto mac/${old}=lan\niface lan inet static\n  address 10.0.0.5/24\n`)),
    ).toEqual([`10.0.0.5/24 on ${a} ${b}`]);
    expect(
      addressesOf(
        readInterfaces('rename ens192=lan\nauto lan\niface lan inet static\n  address 10.0.0.5/24\n'),
      ),
    ).toEqual([`10.0.0.5/24 on ${a} ${b}`]);
    expect(readInterfaces('mapping eth0\n  script /etc/network/which\n').remarks[0]).toContain('eth0');
  });

  it('name the files that ifupdown sources', () => {
    const text = 'source interfaces.d/*.cfg\nsource-directory /etc/net.d\nsource /x/$(date)\n';
    expect(sourcedPatterns(text)).toEqual(['/etc/network/interfaces.d/*.cfg', '/etc/net.d/*']);
  });

  it('are read from systemd-networkd, one host where no prefix is given', () => {
    const text = `[Match]
Name=ens192

[Network]
Address=10.0.0.5/24
Gateway=10.0.0.1
VLAN=vlan100

[Address]
Address=2001:db8::5/64
Label=x

[Route]
Gateway=10.0.0.2
Destination=172.16.0.0/12
`;
    const vlan = '[Match]\nName=vlan100\n[Network]\nAddress=10.100.0.5\n';
    const netdev = '[NetDev]\nName=vlan100\nKind=vlan\n[VLAN]\nId=100\n';
    expect(addressesOf(readNetworkd(text), readNetworkd(netdev), readNetworkd(vlan))).toEqual([
      `10.0.0.5/24 on ${a} ${b}`,
      `2001:db8::5/64 on ${a} ${b}`,
      `10.100.0.5/32 on ${a} ${b}`,
    ]);
  });

  it('are read from systemd-networkd by MAC, by place, and for bridges by their ports', () => {
    const byMac = `[Match]\nMACAddress=${old}\n[Network]\nAddress=10.0.0.5/24\n`;
    const byPath = '[Match]\nPath=pci-0000:0b:00.0\n[Network]\nDHCP=ipv4\n';
    expect(addressesOf(readNetworkd(byMac), readNetworkd(byPath))).toEqual([
      `10.0.0.5/24 on ${a}`,
      `dhcp on ${b}`,
    ]);
    const port = '[Match]\nName=ens224\n[Network]\nBridge=br0\n';
    const bridge = '[Match]\nName=br0\n[Network]\nAddress=10.0.0.6/24\n';
    const first = '[Match]\nName=ens192\n[Network]\nDHCP=no\n';
    expect(addressesOf(readNetworkd(first), readNetworkd(port), readNetworkd(bridge))).toEqual([
      `10.0.0.6/24 on ${b}`,
    ]);
  });

  it('by DHCP for every interface (Photon) count for the cards that no other file speaks of', () => {
    const photon = '[Match]\nName=e*\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=no\n';
    const fixed = '[Match]\nName=eth0\n[Network]\nAddress=10.0.0.5/24\n';
    expect(addressesOf(readNetworkd(fixed), readNetworkd(photon))).toEqual([
      `10.0.0.5/24 on ${a}`,
      `dhcp on ${b}`,
    ]);
  });

  it('are read from netplan: Ubuntu with a static address, a match by MAC, a bond and a VLAN on it', () => {
    const text = `network:
  version: 2
  renderer: networkd
  ethernets:
    first:
      match:
        macaddress: ${old}
      set-name: ens160
      addresses:
        - 10.0.0.5/24
        - "2001:db8::5/64":
            lifetime: 0
    ens192: {}
  bonds:
    bond0:
      interfaces: [first, ens192]
      dhcp4: yes
  vlans:
    vlan7:
      id: 7
      link: bond0
      addresses: [10.7.0.5/24]
`;
    expect(addressesOf(readNetplan(text))).toEqual([
      `10.0.0.5/24 on ${a}`,
      `2001:db8::5/64 on ${a}`,
      `dhcp on ${a} ${b}`,
      `10.7.0.5/24 on ${a} ${b}`,
    ]);
  });

  it('are read from what NetworkManager writes by way of netplan (Ubuntu 24.04)', () => {
    const text = `network:
  version: 2
  ethernets:
    NM-5f5b0e0e-6a0e-4d9e-8d4e-0a0a0a0a0a0a:
      renderer: NetworkManager
      match: {}
      addresses:
      - "10.0.0.5/24"
      networkmanager:
        uuid: "5f5b0e0e-6a0e-4d9e-8d4e-0a0a0a0a0a0a"
        name: "Wired"
        passthrough:
          connection.interface-name: "ens160"
          ipv4.method: "manual"
`;
    expect(addressesOf(readNetplan(text))).toEqual([`10.0.0.5/24 on ${a}`]);
  });

  it('are read from NetworkManager keyfiles: RHEL 9 static, with further addresses, DHCP, a bond by profile UUID', () => {
    const fixed = `[connection]
id=ens192
uuid=0d1a3c5e-0000-4000-8000-000000000001
type=ethernet
autoconnect-priority=-999
interface-name=ens192
timestamp=1700000000

[ethernet]

[ipv4]
address1=10.0.0.5/24,10.0.0.1
address2=10.0.0.6/24
dns=10.0.0.1;
method=manual

[ipv6]
addr-gen-mode=eui64
address1=2001:db8::5/64
method=manual

[proxy]
`;
    const off =
      '[connection]\ntype=ethernet\ninterface-name=ens224\nautoconnect=false\n[ipv4]\nmethod=auto\n';
    expect(addressesOf(readKeyfile(fixed), readKeyfile(off))).toEqual([
      `10.0.0.5/24 on ${a}`,
      `10.0.0.6/24 on ${a}`,
      `2001:db8::5/64 on ${a}`,
    ]);
    const uuid = '0d1a3c5e-0000-4000-8000-00000000000b';
    const bond = `[connection]\nid=bond0\nuuid=${uuid}\ntype=bond\ninterface-name=bond0\n[ipv4]\naddresses1=10.0.0.7;24;10.0.0.1;\nmethod=manual\n`;
    const port = (name: string) =>
      `[connection]\nid=${name}\ntype=ethernet\ninterface-name=${name}\nmaster=${uuid}\nslave-type=bond\n`;
    expect(addressesOf(readKeyfile(bond), readKeyfile(port('ens192')), readKeyfile(port('ens224')))).toEqual([
      `10.0.0.7/24 on ${a} ${b}`,
    ]);
  });

  it('are read from ifcfg of RHEL 7: by HWADDR, numbered, on a bridge, not of what is off at boot', () => {
    const fixed = `TYPE="Ethernet"
PROXY_METHOD="none"
BOOTPROTO="none"
DEFROUTE="yes"
IPV6INIT="yes"
NAME="System eth0"
UUID="5fb06bd0-0bb0-7ffb-45f1-d6edd65f3e03"
ONBOOT="yes"
HWADDR=${old.toUpperCase()}
IPADDR=10.0.0.5
NETMASK=255.255.255.0
IPADDR1="10.0.0.6"
PREFIX1="28"
IPV6ADDR=2001:db8::5/64
GATEWAY="10.0.0.1"
`;
    const off = 'DEVICE=ens224\nBOOTPROTO=dhcp\nONBOOT=no\n';
    expect(addressesOf(readIfcfg('ifcfg-eth0', fixed), readIfcfg('ifcfg-ens224', off))).toEqual([
      `10.0.0.5/24 on ${b}`,
      `10.0.0.6/28 on ${b}`,
      `2001:db8::5/64 on ${b}`,
    ]);
    const bridge = 'DEVICE=br0\nTYPE=Bridge\nBOOTPROTO=static\nIPADDR=10.0.0.7\nPREFIX=24\nONBOOT=yes\n';
    const port = 'DEVICE=ens192\nBRIDGE=br0\nONBOOT=yes\nBOOTPROTO=dhcp\n';
    expect(addressesOf(readIfcfg('ifcfg-br0', bridge), readIfcfg('ifcfg-ens192', port))).toEqual([
      `10.0.0.7/24 on ${a} ${b}`,
    ]);
    const vlan = 'DEVICE=ens192.20\nVLAN=yes\nIPADDR=10.20.0.5\nPREFIX=24\nONBOOT=yes\n';
    expect(addressesOf(readIfcfg('ifcfg-ens192.20', vlan))).toEqual([`10.20.0.5/24 on ${a} ${b}`]);
  });

  it('are read from ifcfg of SLES 12 and 15 (wicked), bonds and the MAC in a file name included', () => {
    const fixed = "BOOTPROTO='static'\nIPADDR='10.0.0.5/24'\nSTARTMODE='auto'\nIPADDR_second='10.0.0.6/24'\n";
    expect(addressesOf(readIfcfg('ifcfg-eth0', fixed))).toEqual([
      `10.0.0.5/24 on ${a}`,
      `10.0.0.6/24 on ${a}`,
    ]);
    expect(addressesOf(readIfcfg(`ifcfg-eth-id-${old}`, fixed))[0]).toBe(`10.0.0.5/24 on ${a} ${b}`);
    const bond =
      "BOOTPROTO='dhcp4'\nSTARTMODE='auto'\nBONDING_MASTER='yes'\nBONDING_SLAVE0='eth0'\nBONDING_SLAVE_1='eth1'\n";
    expect(addressesOf(readIfcfg('ifcfg-bond0', bond))).toEqual([`dhcp on ${a} ${b}`]);
  });

  it('are read from dhcpcd.conf, and names from netctl and wicked', () => {
    const text = 'hostname\ninterface eth0\nstatic ip_address=10.0.0.5/24\nstatic routers=10.0.0.1\n';
    expect(addressesOf(readDhcpcd(text))).toEqual([`10.0.0.5/24 on ${a}`]);
    expect(
      readNetctl("Interface=ens33\nConnection=ethernet\nIP=static\nAddress=('10.0.0.5/24')\n").physical,
    ).toEqual([{ name: 'ens33' }]);
    expect(readNetctl('Interface=br0\nConnection=bridge\nBindsToInterfaces=(ens33 ens34)\n')).toMatchObject({
      virtual: ['br0'],
      physical: [{ name: 'ens33' }, { name: 'ens34' }],
    });
    expect(readWickedXml('<interface><name>eth0</name><ipv4:dhcp/></interface>\n').physical).toEqual([
      { name: 'eth0' },
    ]);
  });

  it("are not taken from cloud-init's own files, whose names and MACs count all the same", () => {
    const curtin = `network:
  version: 2
  ethernets:
    ens160:
      match: {macaddress: '${old}'}
      set-name: ens160
      addresses: [10.0.0.5/24]
`;
    expect(readCloudNetwork(curtin)).toMatchObject({
      physical: [{ name: 'ens160', mac: old }],
      addresses: [],
    });
    const first = `network:
  version: 1
  config:
  - type: physical
    name: eth0
    mac_address: '${old}'
    subnets: [{type: static, address: 10.0.0.5/24}]
  - {type: bond, name: bond0, bond_interfaces: [eth0]}
`;
    expect(readCloudNetwork(first)).toMatchObject({
      physical: [{ name: 'eth0', mac: old }],
      virtual: ['bond0'],
      addresses: [],
    });
  });
});

describe('an address', () => {
  it('is written one way, and none that every system has is looked for', () => {
    expect(asAddress('2001:0DB8::0005', '64')).toBe('2001:db8::5/64');
    expect(asAddress('192.168.1.5')).toBe('192.168.1.5/24');
    expect(asAddress('10.0.0.5', '255.255.255.128')).toBe('10.0.0.5/25');
    for (const text of [
      '127.0.0.1/8',
      'fe80::1/64',
      '169.254.1.1/16',
      'dhcp',
      '',
      '10.0.0.300/24',
      '0.0.0.0/0',
    ])
      expect(asAddress(text), text).toBeUndefined();
  });
});
