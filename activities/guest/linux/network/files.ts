import type { Guestfs } from '../../session/guestfs.ts';
import { anyOf, readGuestText, type GuestText } from '../guest-text.ts';
import { readIfcfg } from './ifcfg.ts';
import { readInterfaces, sourcedPatterns } from './ifupdown.ts';
import { readKeyfile } from './keyfile.ts';
import { nothing, type NamedInterfaces } from './model.ts';
import { readCloudNetwork, readNetplan } from './netplan.ts';
import { readNetworkd } from './networkd.ts';
import { readDhcpcd, readNetctl, readWickedXml } from './others.ts';
import { readMactab, readPersistentRules } from './rules.ts';

/** Who reads a file at boot. */
export type Manager =
  'ifupdown' | 'networkd' | 'netplan' | 'networkmanager' | 'ifcfg' | 'wicked' | 'netctl' | 'dhcpcd';

interface Place {
  pattern: string;
  path: RegExp;
  /** `config` says what interfaces are wanted; `binder` only which card carries a name. */
  role: 'config' | 'binder';
  manager?: Manager;
  read: (text: string, fileName: string) => NamedInterfaces;
}

export const mactabPath = '/etc/mactab';

const places: readonly Place[] = [
  {
    pattern: '/etc/network/{interfaces,interfaces.d/*}',
    path: /^\/etc\/network\/interfaces(\.d\/[^/]+)?$/,
    role: 'config',
    manager: 'ifupdown',
    read: readInterfaces,
  },
  {
    pattern: '/etc/systemd/network/*.{network,netdev}',
    path: /^\/etc\/systemd\/network\/[^/]+\.(network|netdev)$/,
    role: 'config',
    manager: 'networkd',
    read: readNetworkd,
  },
  {
    pattern: '/etc/netplan/*.yaml',
    path: /^\/etc\/netplan\/[^/]+\.yaml$/,
    role: 'config',
    manager: 'netplan',
    read: readNetplan,
  },
  {
    pattern: '/etc/NetworkManager/system-connections/*',
    path: /^\/etc\/NetworkManager\/system-connections\/[^/]+$/,
    role: 'config',
    manager: 'networkmanager',
    read: readKeyfile,
  },
  {
    pattern: '/etc/sysconfig/network-scripts/ifcfg-*',
    path: /^\/etc\/sysconfig\/network-scripts\/ifcfg-[^/]+$/,
    role: 'config',
    manager: 'ifcfg',
    read: (text, name) => readIfcfg(name, text),
  },
  {
    pattern: '/etc/sysconfig/network/ifcfg-*',
    path: /^\/etc\/sysconfig\/network\/ifcfg-[^/]+$/,
    role: 'config',
    manager: 'wicked',
    read: (text, name) => readIfcfg(name, text),
  },
  {
    pattern: '/etc/wicked/ifconfig/*.xml',
    path: /^\/etc\/wicked\/ifconfig\/[^/]+\.xml$/,
    role: 'config',
    manager: 'wicked',
    read: readWickedXml,
  },
  {
    pattern: '/etc/cloud/cloud.cfg.d/*.cfg',
    path: /^\/etc\/cloud\/cloud\.cfg\.d\/[^/]+\.cfg$/,
    role: 'config',
    read: (text) => (/^network\s*:/m.test(text) ? readCloudNetwork(text) : nothing()),
  },
  {
    pattern: '/etc/netctl/*',
    path: /^\/etc\/netctl\/[^/]+$/,
    role: 'config',
    manager: 'netctl',
    read: readNetctl,
  },
  {
    pattern: '/etc/dhcpcd.conf',
    path: /^\/etc\/dhcpcd\.conf$/,
    role: 'config',
    manager: 'dhcpcd',
    read: readDhcpcd,
  },
  {
    pattern: '/etc/systemd/network/*.link',
    path: /^\/etc\/systemd\/network\/[^/]+\.link$/,
    role: 'binder',
    read: readLink,
  },
  {
    pattern: '/etc/udev/rules.d/*{net,eth,nic,lan,persist}*.rules',
    path: /^\/etc\/udev\/rules\.d\/[^/]+\.rules$/,
    role: 'binder',
    read: readPersistentRules,
  },
  { pattern: mactabPath, path: /^\/etc\/mactab$/, role: 'binder', read: readMactab },
];

export const ownPrefix = '10-longhaul-';
/** Backups that ifup and NetworkManager pass over, too; examples that come with netctl. */
const ignored =
  /(~|\.(bak|old|orig|rpmnew|rpmorig|rpmsave|dpkg-\w+|swp))$|\/ifcfg-lo$|\/(10|70)-longhaul-[^/]+$|\/netctl\/(examples|hooks|interfaces)$|\/$/;
const maxFiles = 300;

export interface ReadFile {
  /** As it was found; `file.path` is where a symbolic link leads. */
  path: string;
  file: GuestText;
  role: 'config' | 'binder';
  manager?: Manager;
  found: NamedInterfaces;
}

/** Reads every file that configures or names network interfaces. One that is not understood becomes a warning. */
export async function readNetworkFiles(guest: Guestfs, warnings: string[]): Promise<ReadFile[]> {
  const files: ReadFile[] = [];
  const seen = new Set<string>();
  const readPlace = async (path: string, place: Place) => {
    if (seen.has(path) || ignored.test(path) || files.length >= maxFiles) return;
    seen.add(path);
    const read = await readOne(guest, path, place, warnings);
    if (read !== undefined) files.push(read);
  };
  const paths = await guest.glob(anyOf(places.map(({ pattern }) => pattern)));
  for (const place of places)
    for (const path of paths.filter((each) => place.path.test(each))) await readPlace(path, place);

  const sourced = files.flatMap(({ manager, path, file }) =>
    manager === 'ifupdown' ? sourcedPatterns(file.text, path.slice(0, path.lastIndexOf('/'))) : [],
  );
  const elsewhere = sourced.filter((pattern) => !/^\/etc\/network\/interfaces\.d\/\*?$/.test(pattern));
  const [ifupdown] = places;
  if (ifupdown !== undefined)
    for (const pattern of elsewhere.slice(0, 16))
      for (const path of await guest.glob(pattern)) await readPlace(path, ifupdown);
  return files;
}

async function readOne(
  guest: Guestfs,
  path: string,
  { role, manager, read }: Place,
  warnings: string[],
): Promise<ReadFile | undefined> {
  const file = await readGuestText(guest, path, warnings);
  if (file === undefined) return undefined;
  try {
    const found = read(file.text, path.slice(path.lastIndexOf('/') + 1));
    warnings.push(...found.remarks.map((remark) => `${path}: ${remark}`));
    return { path, file, role, found, ...(manager === undefined ? {} : { manager }) };
  } catch {
    warnings.push(`${path} could not be understood and was left alone.`);
    return undefined;
  }
}

/** A .link file binds only where it gives a name; one for names by policy says nothing. */
function readLink(text: string): NamedInterfaces {
  const found = readNetworkd(text);
  return /^[ \t]*Name[ \t]*=/m.test(text.slice(Math.max(0, text.search(/^[ \t]*\[Link\]/m))))
    ? found
    : { ...nothing(), macs: found.macs, paths: found.paths };
}

/** The configured names, with the MAC or place that a rule or link file knows for them. */
export function withKnownCards(files: readonly ReadFile[]): NamedInterfaces[] {
  const binders = files.filter(({ role }) => role === 'binder').map(({ found }) => found);
  const known = new Map(
    binders.flatMap(({ physical }) => physical.map((entry) => [entry.name, entry] as const)),
  );
  return files
    .filter(({ role }) => role === 'config')
    .map(({ found }) => ({
      ...found,
      physical: found.physical.map((entry) => ({ ...known.get(entry.name), ...entry })),
    }));
}
