import { LonghaulError } from '../../../contracts/errors.ts';
import type { MigrationSpec } from '../../../contracts/spec.ts';
import type { ConfiguredAddress } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, planText, readGuestText } from './guest-text.ts';
import { cardFinder } from './network/addresses.ts';
import { planCloudFreeze } from './network/cloud-init.ts';
import { readNetworkFiles, withKnownCards, type Manager, type ReadFile } from './network/files.ts';
import { kernelName } from './network/kernel-names.ts';
import { enabledManagers } from './network/managers.ts';
import { assignNames } from './network/names.ts';
import { linkFile } from './network/rules.ts';
import { editNetplan, netplanFile } from './network/static-netplan.ts';
import { keptOfKeyfile, keptOfNetworkd, lostRoutes, masterIn, profileUuid } from './network/kept-settings.ts';
import {
  editInterfaces,
  editResolvConf,
  keyfile,
  networkdFile,
  plainMac,
  rhelIfcfg,
  setIniKey,
  setShellValues,
  suseIfcfg,
  suseRoutes,
  type StaticSettings,
} from './network/static-texts.ts';
import { udevKind } from './network/udev.ts';

type Changes = (PlannedChange | undefined)[];

/** Gives cards the addresses that the spec asks for, in the system that the guest configures its network with. */
export const staticAddressesFix: Fix = {
  id: 'static-addresses',
  title: 'Set the addresses that the spec asks for',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, vm, options, earlier }) {
    const warnings: string[] = [];
    const macs = vm.nics.map(({ mac }) => mac);
    const all = settingsOf(options.addresses, macs);
    if (all.length === 0) return { changes: [], warnings };

    // What these files are unsure of, the network fix has said.
    const files = await readNetworkFiles(guest, []);
    const found = withKnownCards(files);
    const plan = assignNames(found, macs);
    const cardsOf = cardFinder(found, plan, macs);
    const enabled = await enabledManagers(guest);
    const changes: Changes = [];
    const byManager = new Map<Manager, { settings: StaticSettings; own: ReadFile[] }[]>();
    for (const [at, settings] of all.entries()) {
      const own = files.filter(({ manager, found: { physical, macs: lone, paths, isMade = false } }) => {
        const here = [...physical.map(({ name }) => name), ...lone, ...paths];
        // A VLAN's file names its parent, and is none of the parent's.
        const isOwn = !isMade && here.some((on) => cardsOf(on).has(settings.mac));
        return manager !== undefined && enabled.has(manager) && isOwn;
      });
      warnings.push(...portsGivenUp(own, settings));
      const manager = managerFor(own, enabled, settings.mac);
      let name = plan.names.find(({ mac }) => mac === settings.mac)?.name;
      if (name === undefined && needsName.has(manager) && (await udevKind(guest)) === 'none') {
        name = kernelName(macs, settings.mac);
      } else if (name === undefined && needsName.has(manager)) {
        name = `lan${at}`;
        const path = `/etc/systemd/network/10-longhaul-${name}.link`;
        changes.push(
          await planOwnFile(
            guest,
            path,
            linkFile(name, settings.mac),
            `The card ${settings.mac} is named ${name}.`,
          ),
        );
      }
      const named = name === undefined ? settings : { ...settings, name };
      byManager.set(manager, [...(byManager.get(manager) ?? []), { settings: named, own }]);
    }
    for (const [manager, cards] of byManager)
      changes.push(...(await writers[manager](guest, cards, warnings, files)));
    changes.push(await planCloudFreeze(guest, files, earlier, true));
    const addresses = [...byManager.values()].flat().flatMap(({ settings }) => expectedOf(settings));
    return { changes: changes.filter((change) => change !== undefined), warnings, addresses };
  },
};

function expectedOf({ mac, name, addresses }: StaticSettings): ConfiguredAddress[] {
  return addresses.map((address) => ({ macs: [mac], interface: name ?? mac, method: 'static', address }));
}

/** The spec's entries, one for each card. */
function settingsOf(entries: MigrationSpec['guest']['addresses'], macs: readonly string[]): StaticSettings[] {
  const cards = new Map<string, StaticSettings>();
  for (const { mac, address, gateway, dns } of entries ?? []) {
    if (!macs.includes(mac))
      throw refusal(
        `guest.addresses names ${mac}, and the VM's cards are ${macs.join(', ') || 'none'}`,
        'Give the MAC of one of source.nics.',
      );
    const card = cards.get(mac) ?? { mac, addresses: [], gateways: [], dns: [] };
    card.addresses.push(address);
    if (gateway !== undefined) card.gateways.push(gateway);
    card.dns.push(...dns.filter((server) => !card.dns.includes(server)));
    cards.set(mac, card);
  }
  return [...cards.values()];
}

const needsName: ReadonlySet<Manager> = new Set(['ifupdown', 'wicked', 'ifcfg']);
const preferred: readonly Manager[] = [
  'netplan',
  'networkmanager',
  'networkd',
  'wicked',
  'ifcfg',
  'ifupdown',
];

/** The system that configures a card now, else the one that would. */
function managerFor(own: readonly ReadFile[], enabled: ReadonlySet<Manager>, mac: string): Manager {
  const known = own.map(({ manager }) => manager).filter((manager) => manager !== undefined);
  const able = preferred.filter((manager) => known.includes(manager));
  const [manager] = able.length > 0 ? able : preferred.filter((each) => enabled.has(each));
  if (manager === undefined) {
    throw refusal(
      `the card ${mac} was to get an address, and the guest starts none of ${preferred.join(', ')} at boot`,
      'Set the address in the source VM, and take guest.addresses out of the spec.',
    );
  }
  // Profiles of both kinds are NetworkManager's where it runs.
  return manager === 'ifcfg' && enabled.has('networkmanager') ? 'networkmanager' : manager;
}

function refusal(found: string, remedy: string): LonghaulError {
  return new LonghaulError('GUEST_FIX_FAILED', { found, remedy });
}

interface Card {
  settings: StaticSettings;
  /** Files that configure it now. */
  own: ReadFile[];
}
type Writer = (
  guest: Guestfs,
  cards: readonly Card[],
  warnings: string[],
  files: readonly ReadFile[],
) => Promise<Changes>;

const what = ({ mac, addresses }: StaticSettings) => `The card ${mac} gets ${addresses.join(' and ')}.`;
const gone = ({ mac }: StaticSettings) => `What it said of the card ${mac} is replaced.`;

/** A card below a bridge or a bond has no address of its own; it gets one all the same, as was asked. */
function portsGivenUp(own: readonly ReadFile[], { mac }: StaticSettings): string[] {
  return own.flatMap(({ path, file }) =>
    masterIn(file.text).map(
      (master) =>
        `${path} makes the card ${mac} a part of ${master}, and guest.addresses gives the card an address of its own: look at both after the migration.`,
    ),
  );
}

async function writeNetworkd(guest: Guestfs, cards: readonly Card[], warnings: string[]): Promise<Changes> {
  const path = (mac: string) => `/etc/systemd/network/00-longhaul-${plainMac(mac)}.network`;
  const changes: Changes = [];
  for (const { settings, own } of cards) {
    const target = path(settings.mac);
    // The first that matches is the only one that counts, and takes the place of the others.
    const [old] = own
      .filter((each) => each.manager === 'networkd' && each.path !== target)
      .toSorted((a, b) => (a.path < b.path ? -1 : 1));
    changes.push(await planOwnFile(guest, target, networkdFile(settings, old?.file.text), what(settings)));
    if (old !== undefined)
      warnings.push(...lostRoutes(old.path, keptOfNetworkd(old.file.text, settings.addresses).lost));
  }
  return changes;
}

async function writeNetworkManager(
  guest: Guestfs,
  cards: readonly Card[],
  warnings: string[],
  files: readonly ReadFile[],
): Promise<Changes> {
  const changes: Changes = [];
  for (const { settings, own } of cards) {
    const path = `/etc/NetworkManager/system-connections/longhaul-${plainMac(settings.mac)}.nmconnection`;
    const [old] = own.filter((each) => each.manager === 'networkmanager' && each.path !== path);
    const text = keyfile(settings, old?.file.text);
    changes.push(await planOwnFile(guest, path, text, what(settings), 0o600));
    warnings.push(...(await lostByProfiles(guest, own, files)));
    if (old !== undefined)
      warnings.push(...lostRoutes(old.path, keptOfKeyfile(old.file.text, settings.addresses).lost));
    for (const { file, path: old, manager } of own) {
      if (old === path) continue;
      if (manager === 'networkmanager')
        changes.push(
          planText(file, setIniKey(file.text, 'connection', 'autoconnect', 'false'), gone(settings)),
        );
      if (manager === 'ifcfg')
        changes.push(planText(file, setShellValues(file.text, /^ONBOOT$/, ['ONBOOT=no']), gone(settings)));
    }
  }
  return changes;
}

/** What refers to a profile that is switched off, or stands beside it. */
async function lostByProfiles(
  guest: Guestfs,
  own: readonly ReadFile[],
  files: readonly ReadFile[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { path, file } of own) {
    const uuid = profileUuid(file.text);
    for (const other of files) {
      if (uuid === undefined || own.includes(other) || !other.file.text.includes(uuid)) continue;
      warnings.push(
        `${other.path} stands on ${path} by its UUID, which is switched off: name the card there.`,
      );
    }
    const routes = path.replace('/network-scripts/ifcfg-', '/network-scripts/route-');
    if (routes !== path && (await guest.exists(routes)))
      warnings.push(`The routes in ${routes} belong to ${path}, which is switched off: they are not set.`);
  }
  return warnings;
}

async function writeIfcfg(guest: Guestfs, cards: readonly Card[]): Promise<Changes> {
  const changes: Changes = [];
  for (const { settings, own } of cards) {
    const [first, ...others] = own.filter(({ manager }) => manager === 'ifcfg');
    const path = `/etc/sysconfig/network-scripts/ifcfg-${settings.name ?? ''}`;
    changes.push(
      first === undefined
        ? await planOwnFile(guest, path, rhelIfcfg(undefined, settings), what(settings))
        : planText(first.file, rhelIfcfg(first.file.text, settings), what(settings)),
    );
    for (const { file } of others)
      changes.push(planText(file, setShellValues(file.text, /^ONBOOT$/, ['ONBOOT=no']), gone(settings)));
  }
  return changes;
}

async function writeWicked(guest: Guestfs, cards: readonly Card[], warnings: string[]): Promise<Changes> {
  const changes: Changes = [];
  const directory = '/etc/sysconfig/network';
  for (const { settings } of cards) {
    const edit = async (path: string, change: (text: string | undefined) => string) => {
      const file = await readGuestText(guest, path, warnings);
      const text = change(file?.text);
      changes.push(
        file ? planText(file, text, what(settings)) : await planOwnFile(guest, path, text, what(settings)),
      );
    };
    await edit(`${directory}/ifcfg-${settings.name ?? ''}`, (text) => suseIfcfg(text, settings));
    if (settings.gateways.length > 0)
      await edit(`${directory}/ifroute-${settings.name ?? ''}`, (text) => suseRoutes(text, settings));
  }
  const dns = [...new Set(cards.flatMap(({ settings }) => settings.dns))];
  const config = dns.length === 0 ? undefined : await readGuestText(guest, `${directory}/config`, warnings);
  if (config !== undefined) {
    const line = `NETCONFIG_DNS_STATIC_SERVERS="${dns.join(' ')}"`;
    const edited = /^NETCONFIG_DNS_STATIC_SERVERS=.*$/m.test(config.text)
      ? config.text.replace(/^NETCONFIG_DNS_STATIC_SERVERS=.*$/m, line)
      : `${config.text}${line}\n`;
    changes.push(planText(config, edited, 'Name servers that the spec asks for.'));
  }
  return changes;
}

async function writeIfupdown(
  guest: Guestfs,
  cards: readonly Card[],
  warnings: string[],
  files: readonly ReadFile[],
): Promise<Changes> {
  const changes: Changes = [];
  const ours = files.filter(({ manager }) => manager === 'ifupdown');
  const texts = new Map(ours.map(({ file }) => [file.path, file.text]));
  for (const { settings, own } of cards) {
    const main =
      own.find(({ manager, file }) => manager === 'ifupdown' && file.text.includes('iface')) ?? ours[0];
    for (const { file } of ours)
      texts.set(file.path, editInterfaces(texts.get(file.path) ?? '', settings, file === main?.file));
    if (main === undefined)
      changes.push(
        await planOwnFile(
          guest,
          '/etc/network/interfaces',
          editInterfaces('', settings, true),
          what(settings),
        ),
      );
  }
  const said = cards.map(({ settings }) => what(settings)).join(' ');
  for (const { file } of ours) changes.push(planText(file, texts.get(file.path) ?? file.text, said));
  const dns = [...new Set(cards.flatMap(({ settings }) => settings.dns))];
  // With resolvconf the stanzas say it, and a link is somebody else's to write.
  if (
    dns.length === 0 ||
    (await guest.isSymlink('/etc/resolv.conf')) ||
    (await guest.exists('/sbin/resolvconf'))
  )
    return changes;
  const resolv = await readGuestText(guest, '/etc/resolv.conf', warnings);
  if (resolv)
    changes.push(planText(resolv, editResolvConf(resolv.text, dns), 'Name servers that the spec asks for.'));
  return changes;
}

async function writeNetplan(
  guest: Guestfs,
  cards: readonly Card[],
  warnings: string[],
  files: readonly ReadFile[],
): Promise<Changes> {
  const own = '/etc/netplan/99-longhaul.yaml';
  const plans = files.filter(({ manager, path }) => manager === 'netplan' && path !== own);
  const texts = new Map(plans.map(({ file }) => [file.path, file.text]));
  const fresh: StaticSettings[] = [];
  for (const { settings } of cards) {
    // The last file that knows the card has the last word.
    let written = false;
    for (const { file, path } of plans.toReversed()) {
      const edited = editNetplan(texts.get(file.path) ?? '', settings, !written);
      texts.set(file.path, edited.text);
      warnings.push(...lostRoutes(path, edited.lost));
      written ||= edited.known;
    }
    if (!written) fresh.push(settings);
  }
  const said = cards.map(({ settings }) => what(settings)).join(' ');
  const changes: Changes = plans.map(({ file }) => planText(file, texts.get(file.path) ?? file.text, said));
  if (fresh.length > 0) changes.push(await planOwnFile(guest, own, netplanFile(fresh), said, 0o600));
  return changes;
}

const unable: Writer = () =>
  Promise.reject(
    refusal(
      'the guest configures its network with a system that addresses cannot be written for',
      'Set the address in the source VM, and take guest.addresses out of the spec.',
    ),
  );

const writers: Record<Manager, Writer> = {
  networkd: writeNetworkd,
  networkmanager: writeNetworkManager,
  ifcfg: writeIfcfg,
  wicked: writeWicked,
  ifupdown: writeIfupdown,
  netplan: writeNetplan,
  netctl: unable,
  dhcpcd: unable,
};
