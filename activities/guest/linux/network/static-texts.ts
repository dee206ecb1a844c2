import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { keptOfKeyfile, keptOfNetworkd } from './kept-settings.ts';

/** What one card is to have: all of it is of the spec, so none of it is hostile. */
export interface StaticSettings {
  mac: string;
  /** The card's name; needed where a system knows no MACs. */
  name?: string;
  /** `10.0.0.5/24`. */
  addresses: string[];
  gateways: string[];
  dns: string[];
}

export const staticHeader = 'Written by Longhaul: the address that was asked for in guest.addresses.';
const is6 = (address: string): boolean => isIPv6(address.split('/')[0] ?? '');
const only4 = (all: readonly string[]) => all.filter((each) => !is6(each));
const only6 = (all: readonly string[]) => all.filter(is6);
export const plainMac = (mac: string): string => mac.replaceAll(':', '');

/**
 * systemd.network(5), to be the first that matches. `Path=` leaves out VLANs, which carry the card's MAC.
 *
 * @param old the file that counted before; what it says of other things than addresses is taken over
 */
export function networkdFile({ mac, addresses, gateways, dns }: StaticSettings, old = ''): string {
  const kept = keptOfNetworkd(old, addresses);
  const lines = [
    `# ${staticHeader}`,
    ...['[Match]', `MACAddress=${mac}`, 'Path=*', '', '[Network]'],
    ...addresses.map((address) => `Address=${address}`),
    ...gateways.map((gateway) => `Gateway=${gateway}`),
    ...dns.map((server) => `DNS=${server}`),
    ...kept.network,
    ...kept.sections.flatMap((lines) => ['', ...lines]),
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * nm-settings-keyfile(5). NetworkManager ignores such a file unless only root may read it.
 *
 * @param old the profile that counted before; its routes to other networks and its MTU are taken over
 */
export function keyfile({ mac, addresses, gateways, dns }: StaticSettings, old = ''): string {
  const kept = keptOfKeyfile(old, addresses);
  const hash = createHash('sha256').update(`longhaul ${mac}`).digest('hex');
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  const family = (
    name: string,
    own: string[],
    gateway: string | undefined,
    servers: string[],
    other: string,
  ) => [
    `[${name}]`,
    `method=${own.length > 0 ? 'manual' : other}`,
    ...own.map(
      (address, at) => `address${at + 1}=${address}${at === 0 && gateway !== undefined ? `,${gateway}` : ''}`,
    ),
    ...(servers.length > 0 && own.length > 0 ? [`dns=${servers.join(';')};`] : []),
    ...(own.length > 0 ? kept.routes(name) : []),
    '',
  ];
  const lines = [
    `# ${staticHeader}`,
    ...[
      '[connection]',
      `id=longhaul-${plainMac(mac)}`,
      `uuid=${uuid}`,
      'type=ethernet',
      'autoconnect-priority=100',
      '',
    ],
    ...['[ethernet]', `mac-address=${mac}`, ...kept.ethernet, ''],
    ...family('ipv4', only4(addresses), only4(gateways)[0], only4(dns), 'disabled'),
    ...family('ipv6', only6(addresses), only6(gateways)[0], only6(dns), 'auto'),
  ];
  return lines.join('\n');
}

/** Sets one key of an INI file, in its section, which is made where there is none. */
export function setIniKey(text: string, section: string, key: string, value: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === `[${section}]`);
  if (start === -1) return `${text.replace(/\n?$/, '\n')}\n[${section}]\n${key}=${value}\n`;
  const after = lines.findIndex((line, at) => at > start && /^\s*\[/.test(line));
  const end = after === -1 ? lines.length : after;
  const kept = lines.slice(start + 1, end).filter((line) => !new RegExp(`^\\s*${key}\\s*=`).test(line));
  return [...lines.slice(0, start + 1), `${key}=${value}`, ...kept, ...lines.slice(end)].join('\n');
}

/** Replaces assignments of a shell file: those whose name matches go, the given ones are put at its end. */
export function setShellValues(text: string, drop: RegExp, lines: readonly string[]): string {
  const kept = text.split('\n').filter((line) => {
    const name = /^\s*([A-Za-z_][A-Za-z_0-9]*)=/.exec(line)?.[1];
    return name === undefined || !drop.test(name);
  });
  while (kept.at(-1)?.trim() === '') kept.pop();
  return [...kept, ...lines, ''].join('\n');
}

const rhelKeys =
  /^(ONBOOT|BOOTPROTO|PEERDNS|NETWORK|BROADCAST|(IPADDR|PREFIX|NETMASK|GATEWAY)\d*|DNS\d+|IPV6INIT|IPV6_AUTOCONF|DHCPV6C|IPV6ADDR|IPV6ADDR_SECONDARIES|IPV6_DEFAULTGW)$/;

/** ifcfg of RHEL, with what it says of other things kept. */
export function rhelIfcfg(
  text: string | undefined,
  { mac, name, addresses, gateways, dns }: StaticSettings,
): string {
  const before =
    text ??
    [
      `# ${staticHeader}`,
      ...(name === undefined ? [] : [`DEVICE=${name}`]),
      'TYPE=Ethernet',
      `HWADDR=${mac}`,
      '',
    ].join('\n');
  const [six, ...more] = only6(addresses);
  const [four, gateway6] = [only4(addresses), only6(gateways)[0]];
  return setShellValues(before, rhelKeys, [
    ...['ONBOOT=yes', 'BOOTPROTO=none'],
    ...four.flatMap((address, at) => {
      const [host = '', prefix = ''] = address.split('/');
      const suffix = at === 0 ? '' : String(at);
      return [`IPADDR${suffix}=${host}`, `PREFIX${suffix}=${prefix}`];
    }),
    ...only4(gateways)
      .slice(0, 1)
      .map((gateway) => `GATEWAY=${gateway}`),
    ...(six === undefined ? [] : ['IPV6INIT=yes', 'IPV6_AUTOCONF=no', `IPV6ADDR=${six}`]),
    ...(more.length === 0 ? [] : [`IPV6ADDR_SECONDARIES="${more.join(' ')}"`]),
    ...(gateway6 === undefined ? [] : [`IPV6_DEFAULTGW=${gateway6}`]),
    ...dns.map((server, at) => `DNS${at + 1}=${server}`),
  ]);
}

/** ifcfg of SUSE, ifcfg(5) of wicked. */
export function suseIfcfg(text: string | undefined, { addresses }: StaticSettings): string {
  return setShellValues(
    text ?? `# ${staticHeader}\n`,
    /^(BOOTPROTO|STARTMODE|BROADCAST|(IPADDR|PREFIXLEN|NETMASK)(_\w+)?)$/,
    [
      ...["BOOTPROTO='static'", "STARTMODE='auto'"],
      ...addresses.map((address, at) => `IPADDR${at === 0 ? '' : `_${at}`}='${address}'`),
    ],
  );
}

/** ifroute-NAME of SUSE, ifroute(5): other routes stay. */
export function suseRoutes(text: string | undefined, { name, gateways }: StaticSettings): string {
  const kept = (text ?? '').split('\n').filter((line) => line.trim() !== '' && !/^\s*default\s/.test(line));
  return [...kept, ...gateways.map((gateway) => `default ${gateway} - ${name ?? '-'}`), ''].join('\n');
}

/**
 * interfaces(5): the stanzas of an interface go, those asked for take their place; without any they are put
 * at the end. `auto` and the like stay, or are added.
 */
export function editInterfaces(text: string, settings: StaticSettings, write: boolean): string {
  const { name = '' } = settings;
  const lines = text.split('\n');
  const kept: string[] = [];
  let place: number | undefined;
  for (let at = 0; at < lines.length; at++) {
    const [word, interfaceName] = (lines[at] ?? '').trim().split(/\s+/);
    if (word !== 'iface' || interfaceName?.replace(/:.*$/, '') !== name) {
      kept.push(lines[at] ?? '');
      continue;
    }
    place ??= kept.length;
    at = lastOfStanza(lines, at);
  }
  if (!write) return kept.join('\n');
  const started = kept.some((line) => {
    const [word = '', ...names] = line.trim().split(/\s+/);
    return /^(auto|allow-\S+)$/.test(word) && names.includes(name);
  });
  const stanza = [...(started ? [] : [`auto ${name}`]), ...interfaceStanzas(settings)];
  if (place !== undefined) return [...kept.slice(0, place), ...stanza, ...kept.slice(place)].join('\n');
  while (kept.at(-1)?.trim() === '') kept.pop();
  return [...kept, ...(kept.length === 0 ? [] : ['']), ...stanza, ''].join('\n');
}

/** The last option of the stanza that begins at a line; what comments and blank lines follow belongs to the next one. */
function lastOfStanza(lines: readonly string[], start: number): number {
  let last = start;
  for (let at = start + 1; at < lines.length; at++) {
    const line = (lines[at] ?? '').trim();
    if (
      /^(iface|auto|mapping|source|source-directory|rename|template)\b|^allow-|^no-auto-down|^no-scripts/.test(
        line,
      )
    )
      break;
    if (line !== '' && !line.startsWith('#')) last = at;
  }
  return last;
}

function interfaceStanzas({ name = '', addresses, gateways, dns }: StaticSettings): string[] {
  return addresses.flatMap((address, at) => {
    const same = is6(address) ? only6 : only4;
    const first = same(addresses)[0] === address;
    return [
      `iface ${name} ${is6(address) ? 'inet6' : 'inet'} static`,
      `    address ${address}`,
      ...(first
        ? same(gateways)
            .slice(0, 1)
            .map((gateway) => `    gateway ${gateway}`)
        : []),
      ...(at === 0 && dns.length > 0 ? [`    dns-nameservers ${dns.join(' ')}`] : []),
    ];
  });
}

/** resolv.conf(5) with other name servers. */
export function editResolvConf(text: string, dns: readonly string[]): string {
  if (dns.length === 0) return text;
  const kept = text.split('\n').filter((line) => !/^\s*nameserver\s/.test(line));
  while (kept.at(-1)?.trim() === '') kept.pop();
  return [...kept, ...dns.map((server) => `nameserver ${server}`), ''].join('\n');
}
