import type { MatrixGuest } from './guest.ts';

type Files = Readonly<Record<string, readonly string[]>>;

/** What VMware's card in its first slot is called. */
const card = 'ens192';
const gateway = '192.168.122.1';

/** Files of a guest's own network manager that give its card a static address, and the units to enable. */
export function networkOf({ network, address }: MatrixGuest): { files: Files; units: readonly string[] } {
  const cidr = `${address}/24`;
  switch (network) {
    case 'ifupdown': {
      const stanza = [`iface ${card} inet static`, `\taddress ${cidr}`, `\tgateway ${gateway}`];
      const lines = ['source /etc/network/interfaces.d/*', '', 'auto lo', 'iface lo inet loopback', ''];
      const interfaces = [...lines, `allow-hotplug ${card}`, ...stanza];
      return { files: { 'etc/network/interfaces': interfaces }, units: [] };
    }
    case 'NetworkManager':
      return {
        files: { [`etc/NetworkManager/system-connections/${card}.nmconnection`]: keyfile(cidr) },
        units: [],
      };
    case 'systemd-networkd': {
      const lines = ['[Match]', `Name=${card}`, '', '[Network]', `Address=${cidr}`, `Gateway=${gateway}`];
      return {
        files: { [`etc/systemd/network/10-${card}.network`]: lines },
        units: ['systemd-networkd.service'],
      };
    }
    case 'netplan':
      return { files: { 'etc/netplan/01-netcfg.yaml': netplan(cidr) }, units: ['systemd-networkd.service'] };
  }
}

const keyfile = (cidr: string): string[] => [
  ...['[connection]', `id=${card}`, 'uuid=3a7e1000-5000-4000-8000-00000000e070', 'type=ethernet'],
  ...[`interface-name=${card}`, '', '[ipv4]', `address1=${cidr},${gateway}`, 'method=manual', ''],
  ...['[ipv6]', 'method=ignore'],
];

const netplan = (cidr: string): string[] => [
  ...['network:', '  version: 2', '  renderer: networkd', '  ethernets:', `    ${card}:`],
  ...[`      addresses: [${cidr}]`, '      routes:', '        - to: 0.0.0.0/0', `          via: ${gateway}`],
];

/** Files in them are read by root alone, or not at all. */
export const privateFiles = ['etc/NetworkManager/system-connections', 'etc/netplan'] as const;
