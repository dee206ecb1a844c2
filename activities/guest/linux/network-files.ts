import { parse as parseYaml } from 'yaml';

/**
 * What a network configuration names: interfaces, and the MAC addresses it finds them by. One reader for each
 * kind of file; each takes the text and returns what it understood. Nothing here decides anything.
 */
export interface NamedInterfaces {
  /** Interfaces that are configured by name, and the MAC the same entry asks for. */
  physical: { name: string; mac?: string }[];
  /** Names that the configuration itself makes: bridges, bonds, VLANs, tunnels. */
  virtual: string[];
  /** MAC addresses that an entry without a fixed name is found by. */
  macs: string[];
}

const nothing = (): NamedInterfaces => ({ physical: [], virtual: [], macs: [] });
const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** A MAC as the contracts write it, or undefined. */
function asMac(text: string | undefined): string | undefined {
  const mac = text?.trim().toLowerCase().replaceAll('-', ':');
  return mac !== undefined && macPattern.test(mac) ? mac : undefined;
}

function add(found: NamedInterfaces, name: string | undefined, mac?: string): void {
  if (name !== undefined && name !== '') found.physical.push(mac === undefined ? { name } : { name, mac });
  else if (mac !== undefined) found.macs.push(mac);
}

/** ifupdown, interfaces(5): /etc/network/interfaces and what lies in interfaces.d. */
export function readInterfaces(text: string): NamedInterfaces {
  const found = nothing();
  let current = '';
  for (const line of text.replace(/\\\r?\n/g, ' ').split('\n')) {
    const [word = '', ...values] = line.trim().split(/\s+/);
    if (word === 'auto' || word.startsWith('allow-')) values.forEach((name) => add(found, name));
    else if (word === 'iface') add(found, (current = values[0] ?? ''));
    else if (/^(bridge[-_]ports|bond[-_]slaves|slaves)$/.test(word)) {
      found.virtual.push(current);
      values.filter((name) => !/^(none|all|regex)$/.test(name)).forEach((name) => add(found, name));
    } else if (/^vlan[-_]raw[-_]device$/.test(word)) {
      found.virtual.push(current);
      add(found, values[0]);
    } else if (/^(bond[-_]mode|bridge[-_]stp|tunnel|mode)$/.test(word)) found.virtual.push(current);
  }
  return found;
}

/** Sections of an INI file with `key=value` lines: systemd units, NetworkManager keyfiles. */
function iniSections(text: string): { section: string; values: Map<string, string> }[] {
  const sections: { section: string; values: Map<string, string> }[] = [];
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^\]]+)\]\s*$/.exec(line);
    if (header) sections.push({ section: header[1] ?? '', values: new Map() });
    const entry = /^\s*([A-Za-z0-9_.-]+)\s*=(.*)$/.exec(line);
    const [key, value] = [entry?.[1], entry?.[2]?.trim()];
    if (key !== undefined && value !== undefined) sections.at(-1)?.values.set(key, value);
  }
  return sections;
}

/** systemd-networkd and udev, systemd.network(5), systemd.link(5), systemd.netdev(5). */
export function readNetworkd(text: string): NamedInterfaces {
  const found = nothing();
  const sections = iniSections(text);
  const match = sections.find(({ section }) => section === 'Match')?.values;
  const mac = asMac(match?.get('MACAddress') ?? match?.get('PermanentMACAddress'));
  const linkName = sections.find(({ section }) => section === 'Link')?.values.get('Name');
  const names = linkName === undefined ? (match?.get('Name')?.split(/\s+/) ?? []) : [linkName];
  if (match?.has('Type') && !/^ether/.test(match.get('Type') ?? '')) return found;
  if (names.length === 0) add(found, undefined, mac);
  for (const name of names) add(found, name.startsWith('!') ? undefined : name, mac);
  const netdev = sections.find(({ section }) => section === 'NetDev')?.values.get('Name');
  if (netdev !== undefined) found.virtual.push(netdev);
  return found;
}

/** NetworkManager keyfiles, nm-settings-keyfile(5). */
export function readKeyfile(text: string): NamedInterfaces {
  const found = nothing();
  const sections = iniSections(text);
  const connection = sections.find(({ section }) => section === 'connection')?.values;
  const type = connection?.get('type') ?? '';
  const name = connection?.get('interface-name');
  const ethernet = sections.find(({ section }) => /^(802-3-)?ethernet$/.test(section))?.values;
  if (/^(802-3-)?ethernet$/.test(type)) add(found, name, asMac(ethernet?.get('mac-address')));
  else if (name !== undefined) found.virtual.push(name);
  add(found, sections.find(({ section }) => section === 'vlan')?.values.get('parent'));
  return found;
}

/** ifcfg-* of RHEL (initscripts, NetworkManager) and SUSE (wicked). The file's name counts where DEVICE= is missing. */
export function readIfcfg(fileName: string, text: string): NamedInterfaces {
  const found = nothing();
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const entry = /^\s*([A-Z_0-9]+)=(["']?)([^"'#\s]*)\2/.exec(line);
    if (entry?.[1]) values.set(entry[1], entry[3] ?? '');
  }
  const mac = asMac(values.get('HWADDR'));
  // NetworkManager finds a connection without DEVICE= by its MAC, or takes it for any interface.
  const suse = values.has('STARTMODE');
  const name = values.get('DEVICE') ?? (suse ? fileName.replace(/^ifcfg-/, '') : undefined);
  const type = values.get('TYPE') ?? 'Ethernet';
  const made = ['BRIDGE_STP', 'BONDING_MASTER', 'ETHERDEVICE', 'VLAN_ID', 'BONDING_OPTS', 'TUNNEL'];
  if (
    type !== 'Ethernet' ||
    values.has('VLAN') ||
    values.get('BRIDGE') === 'yes' ||
    made.some((key) => values.has(key))
  ) {
    if (name !== undefined) found.virtual.push(name);
    add(found, values.get('PHYSDEV') ?? values.get('ETHERDEVICE'));
  } else add(found, name, mac);
  for (const [key, value] of values) if (/^BONDING_SLAVE\d+$/.test(key)) add(found, value);
  for (const port of values.get('BRIDGE_PORTS')?.split(/\s+/) ?? []) add(found, port);
  return found;
}

/**
 * netplan(5) YAML.
 *
 * @throws for a text that is no YAML; the caller leaves the file alone.
 */
export function readNetplan(text: string): NamedInterfaces {
  const found = nothing();
  const network = child(parseYaml(text, { maxAliasCount: 20, logLevel: 'error' }), 'network');
  for (const [id, entry] of entries(child(network, 'ethernets'))) {
    const match = child(entry, 'match');
    const mac = asMac(asText(child(match, 'macaddress')));
    if (match === undefined) add(found, id);
    else add(found, asText(child(entry, 'set-name')) ?? asText(child(match, 'name')), mac);
  }
  for (const kind of ['bridges', 'bonds', 'vlans', 'tunnels', 'vrfs', 'dummy-devices', 'wifis', 'modems'])
    for (const [id] of entries(child(network, kind))) found.virtual.push(id);
  return found;
}

function child(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const ruleMac = /ATTRS?\{address\}=="([0-9A-Fa-f:]{17})"|SYSFS\{address\}=="([0-9A-Fa-f:]{17})"/;

/** Persistent net rules of udev, one interface a line: udev(7), and what write_net_rules made of it. */
export function readPersistentRules(text: string): NamedInterfaces {
  const found = nothing();
  for (const line of text.split('\n')) {
    const mac = ruleMac.exec(line);
    const name = /NAME="([^"%]+)"/.exec(line)?.[1];
    if (!line.trimStart().startsWith('#') && mac && name !== undefined)
      add(found, name, asMac(mac[1] ?? mac[2]));
  }
  return found;
}

/** Persistent net rules without those whose MAC is not among the VM's, and without the comments before them. */
export function dropStaleRules(text: string, macs: ReadonlySet<string>): string {
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    const mac = ruleMac.exec(line);
    const address = asMac(mac?.[1] ?? mac?.[2]);
    if (
      address === undefined ||
      macs.has(address) ||
      line.trimStart().startsWith('#') ||
      !line.includes('NAME=')
    ) {
      kept.push(line);
      continue;
    }
    while (/^\s*#\s*(PCI|USB|net) device/.test(kept.at(-1) ?? '')) kept.pop();
  }
  return kept.join('\n');
}

/** Keys by which the kinds of files find an interface by its MAC; not those that give it another one. */
const macKey =
  /(^\s*|[\s{,])((?:HWADDR\s*=|MACAddress\s*=|PermanentMACAddress\s*=|mac-address\s*=|macaddress\s*:)\s*["']?)([0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})/;

/** Puts new MAC addresses where a file finds an interface by an old one. */
export function replaceMacs(text: string, renewed: ReadonlyMap<string, string>): string {
  let inMatch = true;
  return text
    .split('\n')
    .map((line) => {
      const section = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
      // In [Link] of a .link or .network file MACAddress= sets the address.
      if (section !== undefined) inMatch = !/^(Link|NetDev)$/.test(section);
      if (!inMatch) return line;
      return line.replace(macKey, (whole, lead: string, key: string, old: string) => {
        const mac = renewed.get(asMac(old) ?? '');
        return mac === undefined ? whole : `${lead}${key}${mac}`;
      });
    })
    .join('\n');
}
