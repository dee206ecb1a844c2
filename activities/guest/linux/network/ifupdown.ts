import { add, asAddress, asMac, nothing, type NamedInterfaces } from './model.ts';

const takesMembers = /^(bridge[-_]ports|bond[-_]slaves|slaves)$/;
const takesParent = /^(vlan[-_]raw[-_]device|physdev)$/;
const makesDevice = /^(bond[-_]mode|bridge[-_]stp|tunnel|mode|link-type|vxlan-id)$/;

interface Stanza {
  name: string;
  method: string;
  address?: string;
  netmask?: string;
}

/** ifupdown, interfaces(5): /etc/network/interfaces and what it sources; busybox and ifupdown2 read the same. */
export function readInterfaces(text: string): NamedInterfaces {
  const found = nothing();
  const stanzas: Stanza[] = [];
  const atBoot: string[] = [];
  const logical = new Map<string, string>();
  const templates = new Set<string>();
  let current: Stanza | undefined;
  for (const [word, values] of statements(text)) {
    if (word === 'auto' || word.startsWith('allow-')) {
      current = undefined;
      for (const value of values) atBoot.push(...readPattern(found, value, logical));
    } else if (word === 'iface') {
      current = { name: values[0] ?? '', method: values[2] ?? '' };
      stanzas.push(current);
      const parent = values.indexOf('inherits');
      if (parent !== -1) templates.add(values[parent + 1] ?? '');
    } else if (word === 'rename') {
      current = undefined;
      for (const value of values) readRename(found, value);
    } else if (/^(mapping|source|source-directory|no-auto-down|no-scripts|template)$/.test(word)) {
      current = undefined;
      if (word === 'mapping')
        found.remarks.push(`The mapping for ${values.join(' ')} is decided by a script of the guest.`);
    } else if (current !== undefined) readOption(found, current, word, values);
  }
  for (const stanza of stanzas) {
    const { name } = stanza;
    // What others inherit from, and what a pattern is mapped to, are stanzas without an interface.
    if (!logical.has(name) && (atBoot.includes(name) || !templates.has(name))) add(found, { name });
    addAddress(found, stanza, atBoot, logical);
  }
  return found;
}

/** Words of each line, continued lines joined, comments left out. */
function statements(text: string): [word: string, values: string[]][] {
  return text
    .replace(/\\\r?\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [word = '', ...values] = line.split(/\s+/);
      return [word, values];
    });
}

/** `[VARIABLE]/VALUE[/OPTIONS][=LOGICAL]`; gives the names that are brought up. */
function readPattern(found: NamedInterfaces, word: string, logical: Map<string, string>): string[] {
  const [target = '', logicalName] = word.split('=');
  const pattern = /^([a-z_]*)\/([^/]+)/.exec(target);
  if (pattern === null || target.startsWith('/dev/')) {
    if (logicalName !== undefined && logicalName !== '') logical.set(logicalName, target);
    add(found, { name: target });
    return [target, ...(logicalName === undefined ? [] : [logicalName])];
  }
  const [, variable, value = ''] = pattern;
  const mac = asMac(value);
  const on = variable === '' ? add(found, { name: value }) : mac && add(found, { mac });
  if (on === undefined) found.remarks.push(`${word} finds interfaces by what other hardware may not have.`);
  else if (logicalName !== undefined) logical.set(logicalName, on);
  return logicalName === undefined ? [] : [logicalName];
}

/** `rename CUR=NEW`: the new name is made by ifup, on what has the old one. */
function readRename(found: NamedInterfaces, word: string): void {
  const [target = '', name] = word.split('=');
  if (name === undefined || name === '') return;
  const pattern = /^([a-z_]*)\/([^/]+)/.exec(target);
  const mac = asMac(pattern?.[2]);
  const on = pattern === null ? add(found, { name: target }) : mac && add(found, { mac });
  found.virtual.push(name);
  if (on !== undefined) found.members.push({ of: name, member: on });
  else if (pattern?.[2] !== undefined)
    found.remarks.push(`${word} renames interfaces that may be others now.`);
}

function readOption(found: NamedInterfaces, stanza: Stanza, word: string, values: string[]): void {
  if (takesMembers.test(word) || takesParent.test(word)) {
    found.virtual.push(stanza.name);
    for (const member of values.filter((name) => !/^(none|all|regex|-)$/.test(name))) {
      add(found, { name: member });
      found.members.push({ of: stanza.name, member });
    }
  } else if (/^bond[-_]master$/.test(word) && values[0] !== undefined) {
    found.virtual.push(values[0]);
    found.members.push({ of: values[0], member: stanza.name });
  } else if (makesDevice.test(word)) found.virtual.push(stanza.name);
  else if (word === 'address' && stanza.address === undefined) stanza.address = values[0] ?? '';
  else if (word === 'netmask') stanza.netmask = values[0] ?? '';
}

function addAddress(
  found: NamedInterfaces,
  { name, method, address, netmask }: Stanza,
  atBoot: readonly string[],
  logical: ReadonlyMap<string, string>,
): void {
  if (!atBoot.includes(name)) return;
  const on = logical.get(name) ?? name.replace(/:.*$/, '');
  if (method === 'dhcp') found.addresses.push({ on, method });
  const written = method === 'static' ? asAddress(address, netmask) : undefined;
  if (written !== undefined) found.addresses.push({ on, method: 'static', address: written });
}

/** Files that `source` and `source-directory` lines name, as shell patterns, absolute. */
export function sourcedPatterns(text: string, directory = '/etc/network'): string[] {
  return statements(text).flatMap(([word, values]) => {
    if (word !== 'source' && word !== 'source-directory') return [];
    return values
      .filter((path) => /^[A-Za-z0-9_./*?[\]-]+$/.test(path))
      .map((path) => (path.startsWith('/') ? path : `${directory}/${path}`))
      .map((path) => (word === 'source' ? path : `${path.replace(/\/$/, '')}/*`));
  });
}
