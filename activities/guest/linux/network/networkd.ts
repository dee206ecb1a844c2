import {
  add,
  asAddress,
  asMac,
  asPath,
  iniSections,
  nothing,
  valuesOf,
  type NamedInterfaces,
} from './model.ts';
import { namesHypervisorDriver } from './renewal.ts';

/** systemd-networkd and udev: systemd.network(5), systemd.link(5), systemd.netdev(5). */
export function readNetworkd(text: string): NamedInterfaces {
  const found = nothing();
  const sections = iniSections(text);
  const match = (key: string) => valuesOf(sections, /^Match$/, key).flatMap((value) => value.split(/\s+/));
  const made = valuesOf(sections, /^NetDev$/, 'Name')[0];
  if (made !== undefined) {
    found.virtual.push(made);
    return found;
  }
  const types = match('Type');
  const kinds = match('Kind').filter((kind) => !kind.startsWith('!'));
  if ((types.length > 0 && !types.some((type) => /^ether/.test(type))) || kinds.length > 0) return found;

  const macs = [...match('MACAddress'), ...match('PermanentMACAddress')].flatMap((mac) => asMac(mac) ?? []);
  const paths = match('Path');
  const path = asPath(paths.length === 1 ? paths[0] : undefined);
  if (path === undefined && paths.some((each) => each !== '*'))
    found.remarks.push(`Path=${paths.join(' ')} is a place on the old hardware's buses.`);
  const linkName = valuesOf(sections, /^Link$/, 'Name')[0];
  const names = linkName === undefined ? match('Name').filter((name) => !name.startsWith('!')) : [linkName];
  const on = findBy(found, names, macs, path);
  // Any card of the hypervisor's.
  if (on.length === 0 && names.length === 0 && namesHypervisorDriver(match('Driver').join(' '))) on.push('*');
  for (const each of on) readNetwork(found, sections, each);
  return found;
}

function findBy(
  found: NamedInterfaces,
  names: readonly string[],
  macs: readonly string[],
  path: string | undefined,
): string[] {
  const [mac] = macs;
  if (names.length === 1 && macs.length <= 1)
    return [add(found, { name: names[0], mac, path })].flatMap((on) => on ?? []);
  if (names.length > 0) return names.flatMap((name) => add(found, { name }) ?? []);
  if (macs.length > 0) return macs.flatMap((each) => add(found, { mac: each }) ?? []);
  return [add(found, { path })].flatMap((on) => on ?? []);
}

const takesParent = /^(VLAN|MACVLAN|IPVLAN|MACVTAP|VXLAN|Tunnel)$/;

/** What a .network file says of an interface: its master, its VLANs, its addresses. */
function readNetwork(found: NamedInterfaces, sections: ReturnType<typeof iniSections>, on: string): void {
  for (const [key, value] of sections
    .filter(({ section }) => section === 'Network')
    .flatMap(({ entries }) => entries)) {
    const names = value.split(/\s+/).filter((name) => name !== '');
    if (/^(Bridge|Bond|VRF)$/.test(key)) {
      for (const of of names) found.members.push({ of, member: on });
      found.virtual.push(...names);
    } else if (takesParent.test(key)) {
      for (const of of names) found.members.push({ of, member: on });
      found.virtual.push(...names);
    } else if (key === 'DHCP' && /^(yes|true|on|1|both|ipv4|v4)$/i.test(value)) {
      found.addresses.push({ on, method: 'dhcp' });
    } else if (key === 'Address') addStatic(found, on, value);
  }
  for (const value of valuesOf(sections, /^Address$/, 'Address')) addStatic(found, on, value);
}

function addStatic(found: NamedInterfaces, on: string, text: string): void {
  // networkd takes an address without a prefix for one host.
  const address = asAddress(text, text.includes(':') ? '128' : '32');
  if (address !== undefined) found.addresses.push({ on, method: 'static', address });
}
