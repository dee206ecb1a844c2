import { shellValues } from './ifcfg.ts';
import { add, asAddress, nothing, type NamedInterfaces } from './model.ts';

/** wicked's own XML, wicked-config(5): names only, since the rest has many forms. */
export function readWickedXml(text: string): NamedInterfaces {
  const found = nothing();
  for (const [, body = ''] of text.matchAll(/<interface\b[^>]*>([^]*?)<\/interface>/g)) {
    const name = /<name(?:\s[^>]*)?>\s*([^<\s]+)\s*<\/name>/.exec(body)?.[1];
    if (name === undefined) continue;
    if (/<(bridge|bond|vlan|team|ovs-bridge|dummy|macvlan)>/.test(body)) found.virtual.push(name);
    else add(found, { name });
  }
  if (/<name\s+namespace=/.test(text))
    found.remarks.push('It finds interfaces by what other hardware may not have.');
  return found;
}

/** Profiles of Arch Linux's netctl, netctl.profile(5). */
export function readNetctl(text: string): NamedInterfaces {
  const found = nothing();
  const values = shellValues(text);
  const name = values.get('Interface');
  const connection = values.get('Connection') ?? '';
  if (name === undefined) return found;
  if (connection === 'ethernet') add(found, { name });
  else if (/^(bond|bridge|vlan|tunnel|macvlan|dummy|openvswitch|tuntap)$/.test(connection)) {
    found.virtual.push(name);
    const below = /^[ \t]*BindsToInterfaces=\(?([^)\n]*)\)?/m.exec(text)?.[1] ?? '';
    for (const member of below
      .replace(/["']/g, '')
      .split(/\s+/)
      .filter((each) => /^\w/.test(each))) {
      add(found, { name: member });
      found.members.push({ of: name, member });
    }
  }
  return found;
}

/** dhcpcd.conf(5). */
export function readDhcpcd(text: string): NamedInterfaces {
  const found = nothing();
  let on: string | undefined;
  for (const line of text.split('\n')) {
    const name = /^\s*interface\s+(\S+)/.exec(line)?.[1];
    if (name !== undefined) on = add(found, { name });
    if (/^\s*(profile|ssid)\s/.test(line)) on = undefined;
    const address = asAddress(/^\s*static\s+ip6?_address=(\S+)/.exec(line)?.[1]);
    if (on !== undefined && address !== undefined) found.addresses.push({ on, method: 'static', address });
  }
  return found;
}
