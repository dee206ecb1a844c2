import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, planText, readGuestText, type GuestText } from './guest-text.ts';
import {
  dropStaleRules,
  readIfcfg,
  readInterfaces,
  readKeyfile,
  readNetplan,
  readNetworkd,
  readPersistentRules,
  replaceMacs,
  type NamedInterfaces,
} from './network-files.ts';
import { assignNames, linkFile, udevRules } from './network-names.ts';

type Reader = (text: string, fileName: string) => NamedInterfaces;

/** `config` says what interfaces are wanted; `binder` only which card carries a name. */
const places: { pattern: string; role: 'config' | 'binder'; read: Reader }[] = [
  { pattern: '/etc/network/interfaces', role: 'config', read: readInterfaces },
  { pattern: '/etc/network/interfaces.d/*', role: 'config', read: readInterfaces },
  { pattern: '/etc/systemd/network/*.network', role: 'config', read: readNetworkd },
  { pattern: '/etc/systemd/network/*.netdev', role: 'config', read: readNetworkd },
  { pattern: '/etc/netplan/*.yaml', role: 'config', read: readNetplan },
  { pattern: '/etc/NetworkManager/system-connections/*', role: 'config', read: readKeyfile },
  {
    pattern: '/etc/sysconfig/network-scripts/ifcfg-*',
    role: 'config',
    read: (text, name) => readIfcfg(name, text),
  },
  { pattern: '/etc/sysconfig/network/ifcfg-*', role: 'config', read: (text, name) => readIfcfg(name, text) },
  { pattern: '/etc/systemd/network/*.link', role: 'binder', read: readNetworkd },
  { pattern: '/etc/udev/rules.d/70-persistent-net.rules', role: 'binder', read: readPersistentRules },
  { pattern: '/etc/udev/rules.d/*-net_persistent*.rules', role: 'binder', read: readPersistentRules },
];

const ownPrefix = '10-longhaul-';
const ownRules = '/etc/udev/rules.d/70-longhaul-net.rules';
/** Backups that ifup and NetworkManager pass over, too. */
const ignored = /(~|\.(bak|old|orig|rpmnew|rpmorig|rpmsave|dpkg-\w+))$|\/ifcfg-lo$/;
const maxFiles = 200;

interface ReadFile {
  file: GuestText;
  role: 'config' | 'binder';
  found: NamedInterfaces;
}

/** Network configuration bound to an interface's old name or MAC keeps working on the card at its place. */
export const networkFix: Fix = {
  id: 'network',
  title: 'Keep network configuration working on the new cards',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, vm }) {
    const warnings: string[] = [];
    const files = await readAll(guest, warnings);
    const macs = vm.nics.map((nic) => nic.mac);
    const configs = files.filter(({ role }) => role === 'config').map(({ found }) => found);
    const binders = files.filter(({ role }) => role === 'binder').map(({ found }) => found);

    const plan = assignNames(withKnownMacs(configs, binders), macs);
    warnings.push(...plan.warnings);
    const changes = files.map(({ file, found }) => planRenewal(file, found, plan.renewedMacs, new Set(macs)));
    const bound = boundNames(files);
    const names = plan.names.filter(({ name, mac }) => !bound.has(`${name} ${mac}`));
    changes.push(...(await planNames(guest, names, warnings)));
    return { changes: changes.filter((change) => change !== undefined), warnings };
  },
};

async function readAll(guest: Guestfs, warnings: string[]): Promise<ReadFile[]> {
  const files: ReadFile[] = [];
  for (const { pattern, role, read } of places) {
    const paths = pattern.includes('*') ? await guest.glob(pattern) : [pattern];
    for (const path of paths.slice(0, maxFiles)) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name.startsWith(ownPrefix) || ignored.test(path)) continue;
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined) continue;
      try {
        files.push({ file, role, found: read(file.text, name) });
      } catch {
        warnings.push(`${path} could not be understood and was left alone.`);
      }
    }
  }
  return files;
}

/** The configured names, with the MAC that a rule or link file knows for them. */
function withKnownMacs(configs: NamedInterfaces[], binders: NamedInterfaces[]): NamedInterfaces[] {
  const known = new Map(
    binders.flatMap(({ physical }) => physical.map(({ name, mac }) => [name, mac] as const)),
  );
  return configs.map((found) => ({
    ...found,
    physical: found.physical.map((entry) => {
      const mac = entry.mac ?? known.get(entry.name);
      return mac === undefined ? entry : { name: entry.name, mac };
    }),
  }));
}

/** Names that the guest itself gives to a card by its MAC: rules, link files, netplan's set-name. */
function boundNames(files: ReadFile[]): Set<string> {
  return new Set(
    files
      .filter(({ role, file }) => role === 'binder' || file.path.startsWith('/etc/netplan/'))
      .flatMap(({ found }) => found.physical.map(({ name, mac }) => `${name} ${mac ?? ''}`)),
  );
}

function planRenewal(
  file: GuestText,
  found: NamedInterfaces,
  renewedMacs: ReadonlyMap<string, string>,
  macs: ReadonlySet<string>,
): PlannedChange | undefined {
  if (file.path.startsWith('/etc/udev/')) {
    return planText(
      file,
      dropStaleRules(file.text, macs),
      'Interface names of cards that are gone are forgotten.',
    );
  }
  if (found.physical.length === 0 && found.macs.length === 0) return undefined;
  return planText(
    file,
    replaceMacs(file.text, renewedMacs),
    'The interface is found by the new MAC of its card.',
  );
}

async function planNames(
  guest: Guestfs,
  names: readonly { name: string; mac: string }[],
  warnings: string[],
): Promise<(PlannedChange | undefined)[]> {
  if (names.length === 0) return [];
  const udev = await udevKind(guest);
  if (udev === 'none') {
    const others = names.filter(({ name }, index) => name !== `eth${index}`).map(({ name }) => name);
    if (others.length > 0)
      warnings.push(`The guest has no udev that could name its cards ${others.join(', ')}.`);
    return [];
  }
  if (udev === 'rules') {
    const what = `Network cards are named ${names.map(({ name }) => name).join(', ')} by their MAC.`;
    return [await planOwnFile(guest, ownRules, udevRules(names), what)];
  }
  const changes: (PlannedChange | undefined)[] = [];
  for (const { name, mac } of names) {
    const path = `/etc/systemd/network/${ownPrefix}${name}.link`;
    changes.push(await planOwnFile(guest, path, linkFile(name, mac), `The card ${mac} is named ${name}.`));
  }
  return changes;
}

const linkFilesSince = 241;
const sharedLibraries = ['/usr/lib', '/lib', '/usr/lib64', '/lib64', '/usr/lib/*', '/lib/*'].map(
  (dir) => `${dir}/systemd/libsystemd-shared-*.so`,
);

/**
 * How the guest's udev is told a name. From systemd 241 on a .link file is obeyed even when the initramfs
 * has already given the card another name; before that only a rule's NAME= is.
 */
async function udevKind(guest: Guestfs): Promise<'links' | 'rules' | 'none'> {
  for (const pattern of sharedLibraries) {
    for (const path of await guest.glob(pattern)) {
      const version = Number(/-shared-(\d{3})/.exec(path)?.[1] ?? 0);
      if (version >= linkFilesSince) return 'links';
    }
  }
  for (const path of [
    '/lib/systemd/systemd-udevd',
    '/usr/lib/systemd/systemd-udevd',
    '/sbin/udevd',
    '/usr/sbin/udevd',
    '/lib/udev/rules.d',
    '/usr/lib/udev/rules.d',
  ]) {
    if (await guest.exists(path)) return 'rules';
  }
  return 'none';
}
