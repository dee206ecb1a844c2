import { isDeepStrictEqual } from 'node:util';
import { isMap, parseDocument } from 'yaml';
import { asMac } from './model.ts';
import { sortRoutes } from './kept-settings.ts';
import { plainMac, staticHeader, type StaticSettings } from './static-texts.ts';

const replaced = [
  ...['dhcp4', 'dhcp6', 'dhcp4-overrides', 'dhcp6-overrides', 'addresses', 'gateway4', 'gateway6', 'routes'],
  'nameservers',
];

/** What netplan(5) is told of a card. */
function wanted(
  { addresses, gateways, dns }: StaticSettings,
  keptRoutes: readonly unknown[] = [],
): Record<string, unknown> {
  const routes = [
    ...keptRoutes,
    ...gateways.map((via) => ({ to: via.includes(':') ? '::/0' : '0.0.0.0/0', via })),
  ];
  return {
    dhcp4: false,
    dhcp6: false,
    addresses,
    ...(routes.length === 0 ? {} : { routes }),
    ...(dns.length === 0 ? {} : { nameservers: { addresses: dns } }),
  };
}

/**
 * Takes a card's old addresses out of a file, and puts the new ones there where `write` says so. Comments and
 * everything else of the file stay. A file that does not know the card comes back as it is.
 *
 * @throws for a text that is no YAML
 */
export function editNetplan(
  text: string,
  settings: StaticSettings,
  write: boolean,
): { text: string; known: boolean; lost: string[] } {
  const document = parseDocument(text, { logLevel: 'error' });
  if (document.errors.length > 0) throw document.errors[0] ?? new TypeError('no YAML');
  const ids = idsOf(document.toJS({ maxAliasCount: 20 }), settings);
  let changed = false;
  const lost: string[] = [];
  for (const id of ids) {
    const at = ['network', 'ethernets', id];
    const entry = document.getIn(at);
    if (!isMap(entry)) {
      if (write) document.setIn(at, document.createNode(wanted(settings)));
      changed ||= write;
      continue;
    }
    const before = Object.fromEntries(
      replaced.flatMap((key) =>
        entry.has(key) ? [[key, (document.toJS() as Tree).network?.ethernets?.[id]?.[key]]] : [],
      ),
    );
    const given: unknown[] = Array.isArray(before['routes']) ? before['routes'] : [];
    const { kept: routes, lost: unreachable } = sortRoutes(given, readRoute, settings.addresses);
    lost.push(...unreachable);
    const now = write ? wanted(settings, routes) : routes.length > 0 ? { routes } : {};
    if (isDeepStrictEqual(before, now)) continue;
    changed = true;
    for (const key of replaced) entry.delete(key);
    for (const [key, value] of Object.entries(now)) entry.set(key, document.createNode(value));
  }
  return { text: changed ? document.toString({ lineWidth: 0 }) : text, known: ids.length > 0, lost };
}

function readRoute(route: unknown): { to: string | undefined; via: string | undefined } {
  const { to, via } = (typeof route === 'object' && route !== null ? route : {}) as Record<string, unknown>;
  return { to: typeof to === 'string' ? to : undefined, via: typeof via === 'string' ? via : undefined };
}

/** A file of its own for a card that no other one speaks of. */
export function netplanFile(all: readonly StaticSettings[]): string {
  const lines = [`# ${staticHeader}`, 'network:', '  version: 2', '  ethernets:'];
  for (const settings of all) {
    lines.push(`    longhaul-${plainMac(settings.mac)}:`, `      match: {macaddress: "${settings.mac}"}`);
    for (const [key, value] of Object.entries(wanted(settings)))
      lines.push(`      ${key}: ${JSON.stringify(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

interface Entry {
  match?: { macaddress?: unknown; name?: unknown } | null;
  'set-name'?: unknown;
  [key: string]: unknown;
}
interface Tree {
  network?: { ethernets?: Record<string, Entry | null> };
}

/** The entries of a file that are for a card. */
function idsOf(tree: unknown, { mac, name }: StaticSettings): string[] {
  const ethernets = (tree as Tree | null)?.network?.ethernets;
  if (typeof ethernets !== 'object') return [];
  return Object.entries(ethernets).flatMap(([id, entry]) => {
    const { match, 'set-name': given } = entry ?? {};
    if (typeof match !== 'object' || match === null) return id === name ? [id] : [];
    const macs = asMac(typeof match.macaddress === 'string' ? match.macaddress : undefined);
    const own = macs === mac || (name !== undefined && (given === name || match.name === name));
    return own ? [id] : [];
  });
}
