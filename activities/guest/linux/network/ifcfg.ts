import { add, asAddress, asMac, nothing, type NamedInterfaces } from './model.ts';

const made = [
  'BRIDGE_STP',
  'BONDING_MASTER',
  'ETHERDEVICE',
  'VLAN_ID',
  'BONDING_OPTS',
  'TUNNEL',
  'TUNNEL_TYPE',
  'MACVLAN_DEVICE',
];

/** Assignments of a shell file: the last one counts, quotes removed. */
export function shellValues(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const entry = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z_0-9]*)=(?:"([^"]*)"|'([^']*)'|([^"'#\s]*))/.exec(line);
    if (entry?.[1]) values.set(entry[1], (entry[2] ?? entry[3] ?? entry[4] ?? '').trim());
  }
  return values;
}

/**
 * ifcfg-* of RHEL (initscripts, NetworkManager) and SUSE (wicked). On SUSE, told by STARTMODE=, the file's name
 * counts; on RHEL DEVICE= or HWADDR= does.
 */
export function readIfcfg(fileName: string, text: string): NamedInterfaces {
  const found = nothing();
  const values = shellValues(text);
  const suse = values.has('STARTMODE');
  const title = fileName.replace(/^ifcfg-/, '');
  const byFile = suse ? suseName(title) : {};
  // NetworkManager finds a connection without DEVICE= by its MAC, or takes it for any interface.
  const name = values.get('DEVICE') ?? byFile.name;
  const mac = asMac(values.get('HWADDR')) ?? byFile.mac;
  if (/^bus-/.test(title)) found.remarks.push(`${fileName} is for a place on the old hardware's buses.`);
  const on = isMade(values) ? name : add(found, { name: name?.replace(/:.*$/, ''), mac });
  if (isMade(values)) found.isMade = true;
  if (isMade(values) && name !== undefined) found.virtual.push(name);
  if (on === undefined) return found;
  readMembers(found, values, on);
  const starts = suse
    ? !/^(off|manual)$/.test(values.get('STARTMODE') ?? '')
    : !/^["']?no/i.test(values.get('ONBOOT') ?? 'yes');
  const port = ['MASTER', 'BRIDGE', 'TEAM_MASTER'].some((key) => !/^(|yes|no)$/.test(values.get(key) ?? ''));
  if (starts && !port) readAddresses(found, values, on);
  return found;
}

/** `ifcfg-eth0`, and of SLES 10 and 11 `ifcfg-eth-id-00:50:56:aa:bb:cc`. */
function suseName(title: string): { name?: string; mac?: string } {
  const mac = asMac(/^eth-id-(.*)$/.exec(title)?.[1]);
  if (mac !== undefined) return { mac };
  return title.startsWith('bus-') ? {} : { name: title };
}

function isMade(values: ReadonlyMap<string, string>): boolean {
  const type = values.get('TYPE') ?? 'Ethernet';
  return (
    !/^ethernet$/i.test(type) ||
    /^yes$/i.test(values.get('VLAN') ?? '') ||
    values.get('BRIDGE') === 'yes' ||
    made.some((key) => values.has(key))
  );
}

function readMembers(found: NamedInterfaces, values: ReadonlyMap<string, string>, on: string): void {
  const below: (string | undefined)[] = [
    values.get('PHYSDEV'),
    values.get('ETHERDEVICE'),
    values.get('MACVLAN_DEVICE'),
  ];
  for (const [key, value] of values)
    if (/^(BONDING_SLAVE|TEAM_PORT_DEVICE|OVS_BRIDGE_PORT_DEVICE)_?\d+$/.test(key)) below.push(value);
  below.push(...(values.get('BRIDGE_PORTS')?.split(/\s+/) ?? []));
  const vlanParent = /^([^.]+)\.\d+$/.exec(on)?.[1];
  if (/^yes$/i.test(values.get('VLAN') ?? '') && values.get('PHYSDEV') === undefined) below.push(vlanParent);
  for (const member of below) {
    if (member === undefined || member === '') continue;
    add(found, { name: member });
    found.members.push({ of: on, member });
  }
  for (const key of ['MASTER', 'BRIDGE', 'TEAM_MASTER']) {
    const master = values.get(key);
    if (master === undefined || /^(|yes|no)$/.test(master)) continue;
    found.members.push({ of: master, member: on });
    if (!/^[0-9a-f]{8}-/.test(master)) found.virtual.push(master);
  }
}

/** RHEL numbers further addresses (IPADDR1), SUSE names them (IPADDR_second). */
function readAddresses(found: NamedInterfaces, values: ReadonlyMap<string, string>, on: string): void {
  if (/^(dhcp4?|bootp)$|^dhcp\+/.test((values.get('BOOTPROTO') ?? '').toLowerCase()))
    found.addresses.push({ on, method: 'dhcp' });
  for (const [key, value] of values) {
    const suffix = /^IPADDR(\d+|_\w+)?$/.exec(key) ? key.slice('IPADDR'.length) : undefined;
    const length = ['PREFIX', 'PREFIXLEN', 'NETMASK']
      .map((name) => values.get(`${name}${suffix ?? ''}`))
      .find(Boolean);
    const one = suffix === undefined ? undefined : asAddress(value, length);
    const six = /^(IPV6ADDR|IPV6ADDR_SECONDARIES)$/.test(key)
      ? value.split(/\s+/).map((each) => asAddress(each))
      : [];
    for (const address of [one, ...six])
      if (address !== undefined) found.addresses.push({ on, method: 'static', address });
  }
}
