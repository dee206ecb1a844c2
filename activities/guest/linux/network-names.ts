import type { NamedInterfaces } from './network-files.ts';

/** What is to be done so that each configured interface finds its card again. */
export interface NamePlan {
  /** Interface name to the MAC of the card that shall carry it. */
  names: { name: string; mac: string }[];
  /** Old MAC that a configuration asks for, to the MAC of the card at its place. */
  renewedMacs: Map<string, string>;
  warnings: string[];
}

/** systemd and the kernel: at most 15 bytes, no slash, colon or space. */
const usableName = /^[A-Za-z0-9_.-]{1,15}$/;
const neverPhysical =
  /^(lo|br|virbr|bond|team|vlan|docker|veth|tun|tap|wg|dummy|ppp|sit|gre|gretap|ip6tnl|vxlan|vmbr|vnet|ib|wl|ww|can|cni|flannel|cali|zt|tailscale)[-\d]|^(lo|default|all)$/;

const natural = new Intl.Collator('en', { numeric: true });

/**
 * Gives each configured name a card. A MAC that is still there decides; the other names, in natural order,
 * take the other cards in the source's order.
 *
 * @param macs of the VM's cards, in the source's order, lower-case
 */
export function assignNames(found: readonly NamedInterfaces[], macs: readonly string[]): NamePlan {
  const warnings: string[] = [];
  const virtual = new Set(found.flatMap((file) => file.virtual));
  const wanted = collectWanted(found, virtual, warnings);
  const names: NamePlan['names'] = [];
  const free = new Set(macs);
  const renewedMacs = new Map<string, string>();

  for (const [name, mac] of wanted) {
    if (mac === undefined || !free.delete(mac)) continue;
    names.push({ name, mac });
    wanted.delete(name);
  }
  const loneMacs = new Set(found.flatMap((file) => file.macs));
  for (const mac of loneMacs) if (free.delete(mac)) loneMacs.delete(mac);

  const cards = macs.filter((mac) => free.has(mac));
  const left: string[] = [];
  for (const [name, oldMac] of [...wanted].sort(([a], [b]) => natural.compare(a, b))) {
    const mac = cards.shift();
    if (mac === undefined) {
      left.push(name);
      continue;
    }
    names.push({ name, mac });
    if (oldMac !== undefined && oldMac !== mac) renewedMacs.set(oldMac, mac);
  }
  for (const oldMac of loneMacs) {
    const mac = cards.shift();
    if (mac === undefined) left.push(oldMac);
    else renewedMacs.set(oldMac, mac);
  }
  if (left.length > 0) {
    warnings.push(
      `The VM has ${macs.length} network cards, and none is left for ${left.slice(0, 8).join(', ')} of the guest's configuration.`,
    );
  }
  names.sort((a, b) => natural.compare(a.name, b.name));
  return { names, renewedMacs, warnings };
}

/** Physical names, each once, with the MAC that any file gives for it. */
function collectWanted(
  found: readonly NamedInterfaces[],
  virtual: ReadonlySet<string>,
  warnings: string[],
): Map<string, string | undefined> {
  const wanted = new Map<string, string | undefined>();
  for (const entry of found.flatMap((file) => file.physical)) {
    // eth0:1 is an address of eth0, eth0.100 a VLAN on it.
    const name = entry.name.replace(/:.*$/, '').replace(/\.\d+$/, '');
    if (virtual.has(entry.name) && name === entry.name) continue;
    if (virtual.has(name) || neverPhysical.test(name)) continue;
    if (/[*?[]/.test(name)) {
      if (!matchesNewNames(name))
        warnings.push(
          `The network configuration is for interfaces like ${show(name)}; the new ones may be called otherwise.`,
        );
      continue;
    }
    if (!usableName.test(name)) {
      warnings.push(
        `The network configuration names ${show(name)}, which is no interface name; it was left alone.`,
      );
      continue;
    }
    wanted.set(name, wanted.get(name) ?? entry.mac);
  }
  return wanted;
}

/** Virtio cards on PCIe are enp1s0 and the like, or eth0 where predictable names are off. */
function matchesNewNames(pattern: string): boolean {
  return /^e?\*$|^en\*$|^enp\*$|^eth\*$/.test(pattern);
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

const header = 'Written by Longhaul: keeps the name that the network configuration of this system uses.';

/** systemd.link(5). `Path=` leaves out VLANs and bridges, which carry the card's MAC but lie on no bus. */
export function linkFile(name: string, mac: string): string {
  return `# ${header}\n[Match]\nMACAddress=${mac}\nPath=*\n\n[Link]\nName=${name}\n`;
}

/** The same as rules of udev, for all names. */
export function udevRules(names: readonly { name: string; mac: string }[]): string {
  const rules = names.map(
    ({ name, mac }) =>
      `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{type}=="1", NAME="${name}"\n`,
  );
  return `# ${header}\n${rules.join('')}`;
}
