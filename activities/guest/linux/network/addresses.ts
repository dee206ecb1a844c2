import type { ConfiguredAddress } from '../../../../contracts/values.ts';
import type { InterfaceAddress, NamedInterfaces } from './model.ts';
import type { NamePlan } from './names.ts';

/**
 * The addresses a configuration sets at boot, each with the cards it may be seen on: its own, or those below
 * the bridge, bond or VLAN that has it, or all that may be meant. What stands on no card of the VM is left out.
 *
 * @param macs of the VM's cards
 * @param addresses those that count; all that the files set when left out
 */
export function configuredAddresses(
  found: readonly NamedInterfaces[],
  plan: Pick<NamePlan, 'names' | 'renewed' | 'unsure'>,
  macs: readonly string[],
  addresses: readonly InterfaceAddress[] = found.flatMap((file) => file.addresses),
): ConfiguredAddress[] {
  const cardsOf = cardFinder(found, plan, macs);
  const all = new Map<string, ConfiguredAddress>();
  const keep = (entry: ConfiguredAddress) =>
    all.set(`${entry.macs.join()} ${entry.method} ${entry.address ?? ''}`, entry);
  const patterns: string[] = [];
  const { unsure = [] } = plan;
  for (const { on, method, address } of addresses) {
    const own = cardsOf(on);
    // Where another card may be meant, the address may be seen on that one too.
    if (unsure.some((mac) => own.has(mac))) for (const mac of unsure) own.add(mac);
    const cards = [...own].sort();
    if (cards.length > 0)
      keep({ macs: cards, interface: on, method, ...(address === undefined ? {} : { address }) });
    else if (method === 'dhcp' && /^(\*|e[a-z]*\*)$/.test(on)) patterns.push(on);
  }
  // What is for all interfaces counts for the cards that nothing else speaks of.
  const [pattern] = patterns;
  if (pattern !== undefined) {
    const spokenOf = new Set([
      ...plan.names.map(({ mac }) => mac),
      ...plan.renewed.values(),
      ...found.flatMap((file) => [...file.macs, ...file.physical.flatMap(({ mac }) => mac ?? [])]),
    ]);
    for (const mac of macs) if (!spokenOf.has(mac)) keep({ macs: [mac], interface: pattern, method: 'dhcp' });
  }
  return [...all.values()];
}

/** Finds the cards behind what an address is set on, however many made interfaces lie between. */
export function cardFinder(
  found: readonly NamedInterfaces[],
  plan: Pick<NamePlan, 'names' | 'renewed'>,
  macs: readonly string[],
): (on: string) => Set<string> {
  const byName = new Map(plan.names.map(({ name, mac }) => [name, mac]));
  const below = new Map<string, string[]>();
  for (const { of, member } of found.flatMap(({ members }) => members)) {
    const members = below.get(of) ?? [];
    members.push(member);
    below.set(of, members);
  }
  return (on) => {
    const cards = new Set<string>();
    const seen = new Set<string>();
    const ways = [on];
    for (let at = ways.pop(); at !== undefined; at = ways.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const own = byName.get(at) ?? plan.renewed.get(at) ?? (macs.includes(at) ? at : undefined);
      if (own !== undefined) {
        cards.add(own);
        continue;
      }
      const parent = /^(.+)\.\d+$/.exec(at)?.[1];
      ways.push(...(below.get(at) ?? []), ...(parent === undefined ? [] : [parent]));
    }
    return cards;
  };
}
