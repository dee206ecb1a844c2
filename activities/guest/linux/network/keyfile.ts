import { add, asAddress, asMac, iniSections, nothing, valuesOf, type NamedInterfaces } from './model.ts';

const ethernet = /^(802-3-)?ethernet$/;

/** NetworkManager keyfiles, nm-settings-keyfile(5). */
export function readKeyfile(text: string): NamedInterfaces {
  const found = nothing();
  const sections = iniSections(text);
  const value = (section: RegExp, key: string) => valuesOf(sections, section, key).at(-1);
  const connection = (key: string) => value(/^connection$/, key);
  const type = connection('type') ?? '';
  const matchNames =
    value(/^match$/, 'interface-name')
      ?.split(/[;,]/)
      .filter((name) => /^\w/.test(name)) ?? [];
  const name = connection('interface-name') ?? (matchNames.length === 1 ? matchNames[0] : undefined);
  const path = value(/^match$/, 'path');
  if (path !== undefined) found.remarks.push(`match.path=${path} is a place on the old hardware's buses.`);

  let on: string | undefined;
  if (type !== '' && !ethernet.test(type)) found.isMade = true;
  if (ethernet.test(type)) on = add(found, { name, mac: asMac(value(ethernet, 'mac-address')) });
  else if (name !== undefined) {
    found.virtual.push(name);
    on = name;
  }
  const parent = value(/^(vlan|macvlan|ip-tunnel|vxlan)$/, 'parent');
  if (parent !== undefined && !isUuid(parent)) {
    add(found, { name: parent });
    if (on !== undefined) found.members.push({ of: on, member: parent });
  }
  const master = connection('controller') ?? connection('master');
  if (master !== undefined && on !== undefined) found.members.push({ of: master, member: on });
  // A made interface is named by its profile, which a port may refer to by the profile's UUID or name.
  for (const alias of [connection('uuid'), connection('id')]) {
    if (!ethernet.test(type) && on !== undefined && alias !== undefined && alias !== on)
      found.members.push({ of: on, member: alias });
  }
  if (on !== undefined && master === undefined && isOn(connection('autoconnect')))
    readAddresses(found, sections, on);
  return found;
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
const isOn = (value: string | undefined): boolean => value === undefined || /^(true|yes|1)$/i.test(value);

function readAddresses(found: NamedInterfaces, sections: ReturnType<typeof iniSections>, on: string): void {
  const method = valuesOf(sections, /^ipv4$/, 'method').at(-1);
  if (method === 'auto') found.addresses.push({ on, method: 'dhcp' });
  for (const { section, entries } of sections) {
    if (!/^ipv[46]$/.test(section)) continue;
    for (const [key, value] of entries) {
      // `address1=10.0.0.5/24,10.0.0.1`, in old files `addresses1=10.0.0.5;24;10.0.0.1;`
      const [host] = /^address\d*$/.test(key) ? value.split(',') : [];
      const [oldHost, oldPrefix] = /^addresses\d*$/.test(key) ? value.split(/[;,]/) : [];
      const address = host === undefined ? asAddress(oldHost, oldPrefix) : asAddress(host);
      if (address !== undefined) found.addresses.push({ on, method: 'static', address });
    }
  }
}
