import { BlockList, isIP } from 'node:net';
import { shellValues } from './ifcfg.ts';
import { iniSections, valuesOf } from './model.ts';

/**
 * What a card's old configuration says of other things than its addresses, and what its new one takes over:
 * what stands on the card, its MTU, routes to other networks. Pure.
 */

const standsOn = /^(VLAN|Bridge|Bond|VRF|MACVLAN|MACVTAP|IPVLAN|VXLAN|Tunnel)$/;
/** Names, numbers and addresses; nothing that could break out of its line. */
const plain = /^[\w.:@/, -]{1,200}$/;
const everywhere = /^(0\.0\.0\.0\/0|::\/0|default)$/;
const most = 64;

/** Whether a route works from new addresses: it leads through no gateway, or through one that they reach. */
function isReachable(via: string | undefined, addresses: readonly string[]): boolean {
  if (via === undefined || via === '') return true;
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  if (isIP(via) === 0) return false;
  const near = new BlockList();
  for (const address of addresses) {
    const [host = '', prefix = ''] = address.split('/');
    near.addSubnet(host, Number(prefix), family(host));
  }
  return near.check(via, family(via));
}

/** A route of an old configuration; undefined without a destination. */
interface Route {
  to: string | undefined;
  via: string | undefined;
}

/** The routes to other networks, by whether they still work. Those to everywhere are the gateways' matter. */
export function sortRoutes<Given>(
  all: readonly Given[],
  read: (given: Given) => Route,
  addresses: readonly string[],
): { kept: Given[]; lost: string[] } {
  const elsewhere = all.filter((each) => {
    const { to } = read(each);
    return to !== undefined && !everywhere.test(to);
  });
  const works = (each: Given) => isReachable(read(each).via, addresses);
  const lost = elsewhere.filter((each) => !works(each)).map((each) => read(each));
  return {
    kept: elsewhere.filter(works).slice(0, most),
    lost: lost.slice(0, most).map(({ to, via }) => `${to ?? ''} via ${via ?? ''}`.slice(0, 100)),
  };
}

/** Said of routes that are given up. */
export function lostRoutes(path: string, lost: readonly string[]): string[] {
  if (lost.length === 0) return [];
  const routes = lost.slice(0, 8).join(', ');
  return [
    `Routes of ${path} lead through gateways that the new addresses do not reach, and are not set: ${routes}.`,
  ];
}

/** Of systemd.network(5): lines of [Network], and whole sections. */
export function keptOfNetworkd(
  text: string,
  addresses: readonly string[],
): { network: string[]; sections: string[][]; lost: string[] } {
  const sections = iniSections(text);
  const linesOf = (entries: readonly [string, string][]) =>
    entries.filter(([, value]) => plain.test(value)).map(([key, value]) => `${key}=${value}`);
  const network = sections
    .filter(({ section }) => section === 'Network')
    .flatMap(({ entries }) => linesOf(entries.filter(([key]) => standsOn.test(key))));
  const mtu = valuesOf(sections, /^Link$/, 'MTUBytes')
    .filter((value) => /^\d{1,6}[KMG]?$/.test(value))
    .slice(-1);
  const { kept: routes, lost } = sortRoutes(
    sections.filter(({ section }) => section === 'Route'),
    ({ entries }) => {
      const value = (name: string) => entries.find(([key]) => key === name)?.[1];
      return { to: value('Destination'), via: value('Gateway') };
    },
    addresses,
  );
  return {
    network: network.slice(0, most),
    sections: [
      ...mtu.map((value) => ['[Link]', `MTUBytes=${value}`]),
      ...routes.map(({ entries }) => ['[Route]', ...linesOf(entries)]),
    ],
    lost,
  };
}

/** Of nm-settings-keyfile(5): `routes` of the section `ipv4` or `ipv6`, and lines of [ethernet]. */
export function keptOfKeyfile(
  text: string,
  addresses: readonly string[],
): { ethernet: string[]; routes: (family: string) => string[]; lost: string[] } {
  const sections = iniSections(text);
  const mtu = valuesOf(sections, /^(802-3-)?ethernet$/, 'mtu').filter((value) => /^\d{1,6}$/.test(value));
  const given = sections
    .filter(({ section }) => /^ipv[46]$/.test(section))
    .flatMap(({ section, entries }) => entries.map(([key, value]) => ({ section, key, value })))
    .filter(({ key, value }) => /^route\d+$/.test(key) && plain.test(value));
  const read = ({ value }: { value: string }) => {
    const [to, via] = value.split(',').map((part) => part.trim());
    return { to, via };
  };
  const { kept, lost } = sortRoutes(given, read, addresses);
  return {
    ethernet: mtu.slice(-1).map((value) => `mtu=${value}`),
    routes: (family) =>
      kept.filter(({ section }) => section === family).map(({ key, value }) => `${key}=${value}`),
    lost,
  };
}

/** Of NetworkManager's profiles, keyfiles and ifcfg. */
export function profileUuid(text: string): string | undefined {
  const uuid = valuesOf(iniSections(text), /^connection$/, 'uuid')[0] ?? shellValues(text).get('UUID') ?? '';
  return /^[0-9a-f-]{36}$/i.test(uuid) ? uuid : undefined;
}

/** What a card's file makes it a port of: networkd's and NetworkManager's keys, and those of ifcfg. */
export function masterIn(text: string): string[] {
  const sections = iniSections(text);
  const shell = shellValues(text);
  const found = [
    ...valuesOf(sections, /^Network$/, 'Bridge'),
    ...valuesOf(sections, /^Network$/, 'Bond'),
    ...valuesOf(sections, /^connection$/, 'controller'),
    ...valuesOf(sections, /^connection$/, 'master'),
    ...(sections.length > 0
      ? []
      : ['BRIDGE', 'MASTER', 'TEAM_MASTER'].flatMap((key) => shell.get(key) ?? [])),
  ];
  return [...new Set(found)].filter((name) => plain.test(name) && !/^(yes|no)$/i.test(name)).slice(0, 4);
}
