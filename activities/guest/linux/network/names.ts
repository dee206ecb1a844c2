import type { NamedInterfaces } from './model.ts';
import { placesByName, vmwareSlot } from './slots.ts';

/** What is to be done so that each configured interface finds its card again. */
export interface NamePlan {
  /** Interface name to the MAC of the card that shall carry it. */
  names: { name: string; mac: string }[];
  /** What a configuration asks for and is gone, an old MAC or a place on a bus, to the MAC of the card at its place. */
  renewed: Map<string, string>;
  warnings: string[];
  /** Cards of which it is not sure which of them is meant; absent where there is no doubt. */
  unsure?: string[];
}

type Found = Pick<NamedInterfaces, 'physical' | 'virtual' | 'macs' | 'paths'>;
interface Wanted {
  mac?: string;
  path?: string;
}
/** Something configured whose card is still to be found. */
interface Lost extends Wanted {
  name?: string;
}

/** systemd and the kernel: at most 15 bytes, no slash, colon or space. */
const usableName = /^[A-Za-z0-9_.-]{1,15}$/;
const neverPhysical =
  /^(lo|br|virbr|bond|team|vlan|docker|veth|tun|tap|wg|dummy|ppp|sit|gre|gretap|ip6tnl|vxlan|vmbr|vnet|ib|wl|ww|can|cni|flannel|cali|zt|tailscale)[-\d]|^(lo|default|all)$/;

/**
 * Gives each configured name a card. A MAC that is still there decides, then a name that tells its card's place;
 * the other names, in the order their hypervisor would have made them, take the other cards in the source's
 * order. Where that leaves cards over, another one may be meant, which is said.
 *
 * @param macs of the VM's cards, in the source's order, lower-case
 */
export function assignNames(found: readonly Found[], macs: readonly string[]): NamePlan {
  const warnings: string[] = [];
  const virtual = new Set(found.flatMap((file) => file.virtual));
  const patterns: string[] = [];
  const wanted = collectWanted(found, virtual, patterns, warnings);
  const names: NamePlan['names'] = [];
  const free = new Set(macs);

  for (const [name, { mac }] of wanted) {
    if (mac === undefined || !free.delete(mac)) continue;
    names.push({ name, mac });
    wanted.delete(name);
  }
  const present = new Set(macs);
  for (const mac of found.flatMap((file) => file.macs)) free.delete(mac);
  const lost = [
    ...[...wanted].sort(([a], [b]) => inSlotOrder(a, b)).map(([name, by]) => ({ name, ...by })),
    ...lostAnchors(found, wanted, present),
  ];
  const renewed = new Map<string, string>();
  const rest = givePlaces(lost, macs, free, names, renewed);
  const unsure = rest.length > 0 && rest.length < free.size ? [...free] : [];
  const left = giveCards(rest, macs, free, names, renewed);
  if (unsure.length > 0) warnings.push(doubt(rest, unsure, free));
  if (left.length > 0) {
    warnings.push(
      `The VM has ${macs.length} network cards, and none is left for ${left.slice(0, 8).join(', ')} of the guest's configuration.`,
    );
  }
  for (const { name, mac } of names) for (const path of pathsOf(found, name)) renewed.set(path, mac);
  nameByPattern(patterns, macs, free, names, warnings);
  names.sort((a, b) => natural.compare(a.name, b.name));
  warnings.push(...swaps(names, macs));
  return { names, renewed, warnings, ...(unsure.length > 0 ? { unsure } : {}) };
}

/** What is looked for without a name and is not there any more. */
function lostAnchors(
  found: readonly Found[],
  wanted: ReadonlyMap<string, Wanted>,
  present: ReadonlySet<string>,
): Lost[] {
  const taken = new Set([...wanted.values()].flatMap(({ mac, path }) => [mac, path]));
  const macs = new Set(found.flatMap((file) => file.macs));
  const paths = new Set(found.flatMap((file) => file.paths));
  const named = new Set(found.flatMap((file) => file.physical.flatMap(({ path }) => path ?? [])));
  return [
    ...[...macs].filter((mac) => !present.has(mac) && !taken.has(mac)).map((mac) => ({ mac })),
    ...[...paths]
      .filter((path) => !named.has(path))
      .sort(natural.compare)
      .map((path) => ({ path })),
  ];
}

/** The cards of names that tell their place; gives what has still none. */
function givePlaces(
  lost: readonly Lost[],
  macs: readonly string[],
  free: Set<string>,
  names: NamePlan['names'],
  renewed: Map<string, string>,
): Lost[] {
  const known = names.map(({ name, mac }) => ({ name, index: macs.indexOf(mac) }));
  const places = placesByName(
    lost.flatMap(({ name }) => name ?? []),
    macs.length,
    known,
    lost.length < free.size,
  );
  return lost.filter((each) => {
    const mac = macs[places.get(each.name ?? '') ?? -1];
    if (mac === undefined || !free.delete(mac)) return true;
    take(each, mac, names, renewed);
    return false;
  });
}

/** The cards nobody has yet, one after another; gives what got none. */
function giveCards(
  lost: readonly Lost[],
  macs: readonly string[],
  free: Set<string>,
  names: NamePlan['names'],
  renewed: Map<string, string>,
): string[] {
  const left: string[] = [];
  for (const each of lost) {
    const mac = macs.find((card) => free.has(card));
    if (mac === undefined) {
      left.push(saidOf(each));
      continue;
    }
    free.delete(mac);
    take(each, mac, names, renewed);
  }
  return left;
}

function take(
  { name, mac: oldMac, path }: Lost,
  mac: string,
  names: NamePlan['names'],
  renewed: Map<string, string>,
): void {
  if (name !== undefined) names.push({ name, mac });
  for (const old of [oldMac, path]) if (old !== undefined && old !== mac) renewed.set(old, mac);
}

const saidOf = ({ name, mac, path }: Lost): string => name ?? mac ?? path ?? '';

function doubt(rest: readonly Lost[], cards: readonly string[], unused: ReadonlySet<string>): string {
  const said = rest.map(saidOf).slice(0, 8).join(', ');
  const given = cards.filter((mac) => !unused.has(mac)).join(', ');
  return `The guest configures ${said}, and nothing says which of the cards ${cards.join(', ')} is meant; it was given ${given}. Put the MAC into the configuration in the source VM, or set guest.addresses.`;
}

const pathsOf = (found: readonly Found[], name: string): string[] =>
  found.flatMap((file) =>
    file.physical.filter((each) => each.name === name).flatMap(({ path }) => path ?? []),
  );

const natural = new Intl.Collator('en', { numeric: true });

/** Natural order, but for the slots of VMware: ens192, ens224 and ens256 come before ens161. */
function inSlotOrder(a: string, b: string): number {
  const [first, second] = [vmwareSlot(a), vmwareSlot(b)];
  if (first === undefined || second === undefined) return natural.compare(a, b);
  return (first % 32) - (second % 32) || first - second;
}

/** Physical names, each once, with what any file finds it by. */
function collectWanted(
  found: readonly Found[],
  virtual: ReadonlySet<string>,
  patterns: string[],
  warnings: string[],
): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const entry of found.flatMap((file) => file.physical)) {
    // eth0:1 is an address of eth0, eth0.100 a VLAN on it.
    const name = entry.name.replace(/:.*$/, '').replace(/\.\d+$/, '');
    if (virtual.has(entry.name) && name === entry.name) continue;
    if (virtual.has(name) || neverPhysical.test(name)) continue;
    if (/[*?[]/.test(name)) {
      patterns.push(name);
      continue;
    }
    if (!usableName.test(name)) {
      warnings.push(
        `The network configuration names ${show(name)}, which is no interface name; it was left alone.`,
      );
      continue;
    }
    const { mac, path } = { ...entry, ...wanted.get(name) };
    wanted.set(name, { ...(mac === undefined ? {} : { mac }), ...(path === undefined ? {} : { path }) });
  }
  return wanted;
}

/** Cards that are configured by a pattern only get a name that it matches, where the new one may not. */
function nameByPattern(
  patterns: readonly string[],
  macs: readonly string[],
  free: ReadonlySet<string>,
  names: NamePlan['names'],
  warnings: string[],
): void {
  const strict = [...new Set(patterns)].filter((pattern) => !matchesNewNames(pattern));
  if (strict.length === 0 || strict.length < new Set(patterns).size) return;
  const cards = macs.filter((mac) => free.has(mac));
  const [pattern = ''] = strict;
  const stem = /^([a-z]{2,8})\*$/.exec(pattern)?.[1];
  if (stem !== undefined && strict.length === 1 && !neverPhysical.test(`${stem}0`)) {
    names.push(...cards.map((mac, index) => ({ name: `${stem}${192 + 32 * index}`, mac })));
  } else if (cards.length > 0) {
    warnings.push(
      `The network configuration is for interfaces like ${strict.map(show).join(', ')}; the new ones may be called otherwise.`,
    );
  }
}

/** Virtio cards on PCIe are enp1s0 and the like, or eth0 where predictable names are off. */
function matchesNewNames(pattern: string): boolean {
  return /^e?\*$|^en\*$|^enp\*$|^eth\*$/.test(pattern);
}

/** The kernel's own names cannot change places: udev does not rename to a name that another card has. */
function swaps(names: NamePlan['names'], macs: readonly string[]): string[] {
  const moved = names.filter(({ name, mac }) => {
    const number = Number(/^eth(\d+)$/.exec(name)?.[1]);
    return number < macs.length && macs[number] !== mac;
  });
  if (moved.length === 0) return [];
  const said = moved.map(({ name, mac }) => `${name} (${mac})`).join(', ');
  return [
    `The guest may fail to rename ${said}: the kernel gives these names in the order of the cards, and another card has them. Put source.nics into the order of the names.`,
  ];
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
