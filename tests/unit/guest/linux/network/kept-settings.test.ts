import { describe, expect, it } from 'vitest';
import {
  keptOfKeyfile,
  keptOfNetworkd,
  lostRoutes,
  masterIn,
} from '../../../../../activities/guest/linux/network/kept-settings.ts';
import { editNetplan } from '../../../../../activities/guest/linux/network/static-netplan.ts';
import { keyfile, networkdFile } from '../../../../../activities/guest/linux/network/static-texts.ts';

const card = {
  mac: '52:54:00:00:00:0a',
  name: 'ens192',
  addresses: ['192.0.2.5/24'],
  gateways: ['192.0.2.1'],
  dns: [],
};

describe("what a card's old configuration says of other things than addresses", () => {
  it('goes over into the file that networkd reads in its place', () => {
    const old = `[Match]
Name=ens192
[Link]
MTUBytes=9000
[Network]
Address=10.0.0.5/24
Gateway=10.0.0.1
VLAN=vlan100
VLAN=vlan200
[Route]
Gateway=192.0.2.2
Destination=172.16.0.0/12
[Route]
Gateway=10.0.0.2
Destination=172.20.0.0/16
[Route]
Gateway=10.0.0.3
[Route]
Gateway=10.0.0.3
Destination=0.0.0.0/0
`;
    const text = networkdFile(card, old);
    expect(text).toBe(`${networkdFile(card)}VLAN=vlan100
VLAN=vlan200

[Link]
MTUBytes=9000

[Route]
Gateway=192.0.2.2
Destination=172.16.0.0/12
`);
    expect(lostRoutes('/x.network', keptOfNetworkd(old, card.addresses).lost)).toEqual([
      'Routes of /x.network lead through gateways that the new addresses do not reach, and are not set: 172.20.0.0/16 via 10.0.0.2.',
    ]);
    expect(networkdFile(card, text)).toBe(text);
  });

  it("goes over into NetworkManager's profile", () => {
    const old = `[connection]
type=ethernet
[ethernet]
mtu=9000
[ipv4]
address1=10.0.0.5/24,10.0.0.1
route1=172.16.0.0/12,192.0.2.2
route3=172.20.0.0/16,10.0.0.2
route2=0.0.0.0/0,10.0.0.3
method=manual
`;
    const text = keyfile(card, old);
    expect(text).toContain(`mac-address=${card.mac}\nmtu=9000\n`);
    expect(text).toContain('address1=192.0.2.5/24,192.0.2.1\nroute1=172.16.0.0/12,192.0.2.2\n');
    expect(keptOfKeyfile(old, card.addresses).lost).toEqual(['172.20.0.0/16 via 10.0.0.2']);
    expect(text).not.toContain('route3');
    expect(text).not.toContain('route2');
    expect(text).not.toContain('10.0.0.5');
  });

  it('stays in netplan as far as routes lead to other networks', () => {
    const old = `network:
  ethernets:
    ens192:
      mtu: 9000
      addresses: [10.0.0.5/24]
      routes:
        - {to: default, via: 10.0.0.1}
        - {to: 172.16.0.0/12, via: 192.0.2.2}
        - {to: 172.20.0.0/16, via: 10.0.0.2}
  vlans:
    vlan100: {id: 100, link: ens192}
`;
    const { text, lost } = editNetplan(old, card, true);
    expect(lost).toEqual(['172.20.0.0/16 via 10.0.0.2']);
    expect(text).not.toContain('172.20');
    expect(text).toContain('172.16.0.0/12');
    expect(text).toContain('via: 192.0.2.1');
    expect(text).not.toContain('10.0.0.1');
    expect(text).toContain('vlan100');
    expect(editNetplan(text, card, true).text).toBe(text);
    const other = editNetplan(old, card, false).text;
    expect(other).toContain('172.16.0.0/12');
    expect(other).not.toContain('10.0.0.5');
  });

  it('is told where the card is a port', () => {
    expect(masterIn('[Match]\nName=ens192\n[Network]\nBridge=br0\n')).toEqual(['br0']);
    expect(masterIn('[connection]\nmaster=bond0\nslave-type=bond\n')).toEqual(['bond0']);
    expect(masterIn('DEVICE=ens192\nBRIDGE="br0"\n')).toEqual(['br0']);
    expect(masterIn('[Network]\nVLAN=vlan100\n')).toEqual([]);
  });
});
