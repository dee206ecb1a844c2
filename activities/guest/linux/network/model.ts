import { isIP } from 'node:net';

/**
 * What one network configuration file says. One reader for each kind of file makes it from the text; nothing
 * here decides anything. An interface is meant by its name, by the MAC of its card, or by the card's place on
 * the bus (udev's ID_PATH); where either will do, `on` holds one of the three.
 */
export interface NamedInterfaces {
  /** Interfaces that are configured by name, and the MAC or place the same entry asks for. */
  physical: { name: string; mac?: string; path?: string }[];
  /** Names that the configuration itself makes: bridges, bonds, VLANs, tunnels. */
  virtual: string[];
  /** The whole file is about such a made interface; what it stands on is only named. */
  isMade?: boolean;
  /** MAC addresses that an entry without a fixed name is found by. */
  macs: string[];
  /** The same for places on the bus. */
  paths: string[];
  /** What a made interface stands on: ports of a bridge, members of a bond, the parent of a VLAN. */
  members: { of: string; member: string }[];
  /** Addresses that are set at boot. */
  addresses: InterfaceAddress[];
  /** What may not work on other hardware and is nobody's to repair, one sentence each. */
  remarks: string[];
}

export interface InterfaceAddress {
  on: string;
  method: 'static' | 'dhcp';
  /** `10.0.0.5/24`, `2001:db8::5/64`; of static ones only. */
  address?: string;
}

export const nothing = (): NamedInterfaces => ({
  physical: [],
  virtual: [],
  macs: [],
  paths: [],
  members: [],
  addresses: [],
  remarks: [],
});

const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** A MAC as the contracts write it, or undefined. */
export function asMac(text: string | undefined): string | undefined {
  const mac = text
    ?.trim()
    .replace(/^(["'])(.*)\1$/, '$2')
    .toLowerCase()
    .replaceAll('-', ':');
  return mac !== undefined && macPattern.test(mac) ? mac : undefined;
}

/** Notes an interface by what it is found by; gives what addresses refer to it by. */
export function add(
  found: NamedInterfaces,
  by: { name?: string | undefined; mac?: string | undefined; path?: string | undefined },
): string | undefined {
  const { name, mac, path } = by;
  if (name !== undefined && name !== '') {
    found.physical.push({
      name,
      ...(mac === undefined ? {} : { mac }),
      ...(path === undefined ? {} : { path }),
    });
    return name;
  }
  if (mac !== undefined) found.macs.push(mac);
  else if (path !== undefined) found.paths.push(path);
  return mac ?? path;
}

/** A place on a bus that names one card and not several. */
export function asPath(text: string | undefined): string | undefined {
  return text !== undefined && /^(pci|platform|acpi|vmbus|xen)-[^\s*?[!]+\*?$/.test(text) ? text : undefined;
}

/**
 * An address as the contracts write it, or undefined when the text is none that can be watched for.
 *
 * @param prefix length or netmask, where the text has none
 */
export function asAddress(text: string | undefined, prefix?: string): string | undefined {
  const [host = '', ownPrefix] = (text ?? '').trim().split('/');
  const family = isIP(host);
  if (family === 0 || host.includes('%')) return undefined;
  const most = family === 4 ? 32 : 128;
  const length = prefixLength(ownPrefix ?? prefix) ?? (family === 4 ? classPrefix(host) : 64);
  const address = family === 4 ? host : new URL(`http://[${host}]`).hostname.slice(1, -1);
  if (/^(0\.|127\.|169\.254\.|::1?$|fe[89ab])/.test(address)) return undefined;
  return `${address}/${Math.min(length, most)}`;
}

function prefixLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,3}$/.test(text.trim())) return Number(text);
  if (isIP(text.trim()) !== 4) return undefined;
  const bits = text
    .trim()
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return bits.replace(/0+$/, '').length;
}

/** What ifconfig takes an address without a mask for. */
function classPrefix(host: string): number {
  const first = Number(host.split('.')[0]);
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/** Sections of an INI file with `key=value` lines: systemd units, NetworkManager keyfiles. */
export interface IniSection {
  section: string;
  entries: [key: string, value: string][];
}

export function iniSections(text: string): IniSection[] {
  const sections: IniSection[] = [];
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^\]]+)\]\s*$/.exec(line);
    if (header) sections.push({ section: header[1] ?? '', entries: [] });
    const entry = /^\s*([A-Za-z0-9_.-]+)\s*=(.*)$/.exec(line);
    const [key, value] = [entry?.[1], entry?.[2]?.trim()];
    if (key !== undefined && value !== undefined) sections.at(-1)?.entries.push([key, value]);
  }
  return sections;
}

/** All values of a key in the sections of a name, in their order. */
export function valuesOf(sections: readonly IniSection[], section: RegExp, key: string): string[] {
  return sections
    .filter((each) => section.test(each.section))
    .flatMap(({ entries }) => entries.filter(([name]) => name === key).map(([, value]) => value));
}
