import type { NicModel } from '../../../../contracts/spec.ts';
import { asMac, asPath } from './model.ts';

/** Keys by which the kinds of files find an interface by its MAC; not those that give it another one. */
const macKey =
  /(^\s*|[\s{,])((?:HWADDR\s*=|MACAddress\s*=|PermanentMACAddress\s*=|mac-address\s*=|macaddress\s*:|["']?mac_address["']?\s*:|(?:auto|allow-\w+|rename)\s.*?\b(?:mac|address)\/)\s*["']?)([0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})/;
const pathKey = /^(\s*)Path(\s*=\s*)(\S+)\s*$/;

/**
 * Puts the MAC of the card that is there now where a file finds an interface by an old MAC or by a place on
 * the old hardware's buses.
 *
 * @param renewed old MAC, or ID_PATH, to MAC
 */
export function renew(text: string, renewed: ReadonlyMap<string, string>): string {
  if (renewed.size === 0) return text;
  let inMatch = true;
  return text
    .split('\n')
    .map((line) => {
      const section = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
      // In [Link] of a .link or .network file MACAddress= sets the address.
      if (section !== undefined) inMatch = !/^(Link|NetDev)$/.test(section);
      if (!inMatch || line.trimStart().startsWith('#')) return line;
      const place = pathKey.exec(line);
      const mac = renewed.get(asPath(place?.[3]) ?? '');
      if (place !== null && mac !== undefined) return `${place[1]}MACAddress${place[2]}${mac}`;
      return line.replace(macKey, (whole, lead: string, key: string, old: string) => {
        const now = renewed.get(asMac(old) ?? '');
        return now === undefined ? whole : `${lead}${key}${now}`;
      });
    })
    .join('\n');
}

const driverOf: Readonly<Record<NicModel, string>> = {
  virtio: 'virtio_net',
  e1000e: 'e1000e',
  e1000: 'e1000',
  rtl8139: '8139cp',
};

/** Drivers of the cards that hypervisors and clouds give their guests. */
const hypervisorDrivers =
  /(?<![\w!*?-])(vmxnet3?|pcnet32|e1000e?|hv_netvsc|xen[-_]netfront|netfront|vif|ena|gve|ixgbevf|igbvf|i40evf|iavf|mlx[45]_(?:en|core)|virtio_net|8139cp|8139too)(?![\w*?-])/g;
const driverKey = /^(\s*driver\s*=|.*?[\s{]driver\s*:)(.*)$/i;

/** Puts the driver of the new cards where a file (networkd, netplan, NetworkManager) matches cards by the old one's. */
export function renewDrivers(text: string, model: NicModel): string {
  const driver = driverOf[model];
  return text
    .split('\n')
    .map((line) => {
      const [, key, rest] = driverKey.exec(line) ?? [];
      if (key === undefined || rest === undefined || line.trimStart().startsWith('#')) return line;
      if (new RegExp(`(?<![\\w!-])${driver}(?![\\w-])`).test(rest)) return line;
      return key + once(rest.replace(hypervisorDrivers, driver), driver);
    })
    .join('\n');
}

/** One of several equal words of a list, whatever stands between them. */
function once(list: string, driver: string): string {
  return list.replace(new RegExp(`(?<![\\w!-])${driver}(?:[\\s,;]+${driver}(?![\\w-]))+`, 'g'), driver);
}

/** Whether a list of drivers has one of cards that hypervisors and clouds give their guests. */
export function namesHypervisorDriver(list: string): boolean {
  return list.search(hypervisorDrivers) !== -1;
}
