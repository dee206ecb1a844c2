import { parse as parseYaml } from 'yaml';
import { add, asAddress, asMac, nothing, type NamedInterfaces } from './model.ts';
import { namesHypervisorDriver } from './renewal.ts';

const madeKinds = ['bridges', 'bonds', 'vlans', 'tunnels', 'vrfs', 'dummy-devices', 'wifis', 'modems'];

/**
 * netplan(5) YAML.
 *
 * @throws for a text that is no YAML; the caller leaves the file alone.
 */
export function readNetplan(text: string): NamedInterfaces {
  return readVersion2(child(parse(text), 'network'));
}

/**
 * The `network:` of a file in /etc/cloud/cloud.cfg.d: cloud-init's version 1, or 2 which is netplan's. Its
 * addresses are left out: those that count are in the files that cloud-init wrote from it.
 *
 * @throws for a text that is no YAML
 */
export function readCloudNetwork(text: string): NamedInterfaces {
  const network = child(parse(text), 'network');
  const config = child(network, 'config');
  const found = Array.isArray(config)
    ? readVersion1(config)
    : readVersion2(isObject(config) ? config : network);
  return { ...found, addresses: [] };
}

/** True when a file tells cloud-init to keep its hands off the network. @throws for a text that is no YAML */
export function disablesCloudNetwork(text: string): boolean {
  return child(child(parse(text), 'network'), 'config') === 'disabled';
}

const parse = (text: string): unknown => parseYaml(text, { maxAliasCount: 20, logLevel: 'error' });

function readVersion2(network: unknown): NamedInterfaces {
  const found = nothing();
  /** What an id of the file stands for, where it is not an interface's name. */
  const ids = new Map<string, string>();
  for (const [id, entry] of entries(child(network, 'ethernets'))) {
    const on = findEthernet(found, id, entry);
    if (on === undefined) continue;
    if (on !== id) ids.set(id, on);
    readAddresses(found, entry, on);
  }
  for (const kind of madeKinds) {
    for (const [id, entry] of entries(child(network, kind))) {
      found.virtual.push(id);
      const parents = [child(entry, 'link'), ...items(child(entry, 'interfaces'))].filter(
        (each) => typeof each === 'string',
      );
      for (const member of parents) found.members.push({ of: id, member: ids.get(member) ?? member });
      if (!/^(wifis|modems)$/.test(kind)) readAddresses(found, entry, id);
    }
  }
  return found;
}

function findEthernet(found: NamedInterfaces, id: string, entry: unknown): string | undefined {
  const match = child(entry, 'match');
  if (match === undefined) return add(found, { name: id });
  // What NetworkManager writes by way of netplan (Ubuntu 23.10 and later) keeps the name in a place of its own.
  const passthrough = child(child(entry, 'networkmanager'), 'passthrough');
  const name =
    asText(child(entry, 'set-name')) ??
    asText(child(match, 'name')) ??
    asText(child(passthrough, 'connection.interface-name'));
  const on = add(found, { name, mac: asMac(asText(child(match, 'macaddress'))) });
  const driver = child(match, 'driver');
  const drivers =
    asText(driver) ??
    items(driver)
      .filter((each) => typeof each === 'string')
      .join(' ');
  // Any card of the hypervisor's.
  return on ?? (namesHypervisorDriver(drivers) ? '*' : undefined);
}

function readAddresses(found: NamedInterfaces, entry: unknown, on: string): void {
  if (isTrue(child(entry, 'dhcp4'))) found.addresses.push({ on, method: 'dhcp' });
  for (const item of items(child(entry, 'addresses'))) {
    const address = asAddress(asText(item) ?? entries(item)[0]?.[0]);
    if (address !== undefined) found.addresses.push({ on, method: 'static', address });
  }
}

function readVersion1(config: readonly unknown[]): NamedInterfaces {
  const found = nothing();
  for (const entry of config) {
    const name = asText(child(entry, 'name'));
    const type = asText(child(entry, 'type'));
    if (type === 'physical') add(found, { name, mac: asMac(asText(child(entry, 'mac_address'))) });
    else if (/^(bond|bridge|vlan|loopback|infiniband)$/.test(type ?? '') && name !== undefined)
      found.virtual.push(name);
  }
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function child(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

const entries = (value: unknown): [string, unknown][] => (isObject(value) ? Object.entries(value) : []);
const items = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
/** netplan reads booleans as YAML 1.1 has them. */
const isTrue = (value: unknown): boolean => value === true || /^(true|yes|on|y)$/i.test(asText(value) ?? '');
