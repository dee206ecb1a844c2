import type { Guestfs } from '../../session/guestfs.ts';
import { anyOf } from '../guest-text.ts';
import type { Manager, ReadFile } from './files.ts';

const units = '{NetworkManager,systemd-networkd,networking,network,wicked,dhcpcd}.service';
/** What shows which programs bring the network up: units that are wanted at boot, start links, programs. */
const traces = [
  `/etc/systemd/system/*.wants/${units}`,
  '/etc/systemd/system/*.wants/netctl@*.service',
  '/{usr/,}lib/systemd/system/*.wants/systemd-networkd.service',
  '/{usr/,}lib/systemd/{systemd,system-generators/netplan}',
  '/{usr/,}sbin/{ifup,NetworkManager}',
  '/etc/rc{S,2,3}.d/S*networking',
  '/etc/rc.d/rc3.d/S*network',
  '/etc/runlevels/*/networking',
];

/** Which of the systems that configure the network the guest starts at boot. Left-overs of others do not count. */
export async function enabledManagers(guest: Guestfs): Promise<Set<Manager>> {
  const paths = await guest.glob(anyOf(traces));
  const some = (pattern: RegExp) => paths.some((path) => pattern.test(path));
  const systemd = some(/\/lib\/systemd\/systemd$/);
  const networkManager = some(/\.wants\/NetworkManager\.service$/);
  const scripts = some(/\/rc3\.d\/S\d*network$|\.wants\/network\.service$/);
  const enabled: Record<Manager, boolean> = {
    ifupdown: some(/sbin\/ifup$/) && (!systemd || some(/(\.wants\/networking\.service|networking)$/)),
    networkd: some(/\.wants\/systemd-networkd\.service$/),
    netplan: some(/system-generators\/netplan$/),
    networkmanager: networkManager,
    ifcfg: networkManager || scripts,
    wicked: some(/\.wants\/wicked\.service$/),
    netctl: some(/\.wants\/netctl@/),
    dhcpcd: some(/\.wants\/dhcpcd\.service$/),
  };
  return new Set((Object.keys(enabled) as Manager[]).filter((manager) => enabled[manager]));
}

/**
 * The files whose addresses are set at boot: of systems that are started, and of several for one interface
 * the one that is used. Where that cannot be known, none, and a warning.
 */
export function effectiveFiles(
  files: readonly ReadFile[],
  enabled: ReadonlySet<Manager>,
  cardsOf: (on: string) => ReadonlySet<string>,
  warnings: string[],
): ReadFile[] {
  const active = files.filter(({ manager }) => manager !== undefined && enabled.has(manager));
  const made = new Set(files.flatMap(({ found }) => found.virtual));
  // What is made stands for itself: a VLAN of a card is configured beside the card.
  const subjects = (all: readonly string[]) => [
    ...new Set(all.flatMap((on) => (made.has(on) ? [on] : [...cardsOf(on)]))),
  ];
  const configured = ({ found }: ReadFile) => subjects(found.addresses.map(({ on }) => on));
  const matched = ({ found: { physical, macs, paths } }: ReadFile) =>
    subjects([...physical.map(({ name }) => name), ...macs, ...paths]);
  const profiles = new Map<string, string[]>();
  for (const file of active) {
    if (!isProfile(file, enabled)) continue;
    for (const on of configured(file)) profiles.set(on, [...(profiles.get(on) ?? []), file.path]);
  }
  for (const [on, paths] of profiles) {
    if (paths.length < 2) continue;
    warnings.push(
      `Which of ${paths.slice(0, 4).join(', ')} NetworkManager uses for ${on} cannot be told; its addresses are not checked.`,
    );
  }
  const claimed = new Set<string>();
  return active
    .toSorted((a, b) => (baseName(a.path) < baseName(b.path) ? -1 : 1))
    .filter((file) => {
      if (isProfile(file, enabled))
        return configured(file).every((on) => (profiles.get(on)?.length ?? 0) < 2);
      const own = matched(file);
      if (file.manager !== 'networkd' || own.length === 0) return true;
      // Of networkd's files the first that matches is used.
      const first = own.some((mac) => !claimed.has(mac));
      for (const mac of own) claimed.add(mac);
      return first;
    });
}

/** A connection of NetworkManager's, of which it uses one for an interface; `ifcfg-eth0:1` adds to another. */
function isProfile({ manager, path, found }: ReadFile, enabled: ReadonlySet<Manager>): boolean {
  if (found.addresses.length === 0) return false;
  if (manager === 'networkmanager') return true;
  return manager === 'ifcfg' && enabled.has('networkmanager') && !baseName(path).includes(':');
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
