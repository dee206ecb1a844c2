import type { Guestfs } from '../../activities/guest/session/guestfs.ts';

/**
 * One disk of an appliance that has many, as if it were the only one: it is called /dev/sda, and the others,
 * with their partitions and volume groups, are not there. Every path that a call names is noted down.
 *
 * @param disk as the appliance calls it
 * @param groups volume groups on it
 */
export function onlyDisk(
  guest: Guestfs,
  disk: string,
  groups: readonly string[],
): { guest: Guestfs; named: ReadonlySet<string> } {
  const named = new Set<string>();
  const own = new RegExp(`^${disk}(?=\\d*$)`);
  const isOurs = (text: string) =>
    own.test(text) || groups.some((group) => text === group || text.startsWith(`/dev/${group}/`));
  /** Devices of other disks are dropped from lists; other texts are none of ours. */
  const isForeign = (text: string) => /^\/dev\/(?!mapper\/)\w/.test(text) && !isOurs(text);

  const inward = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inward);
    if (typeof value !== 'string') return value;
    if (/^\/(?!dev\/)[^*?[]*$/.test(value)) named.add(value);
    return value.replace(/^\/dev\/sda(?=\d*$)/, disk);
  };
  const outward = (value: unknown, method: string): unknown => {
    if (typeof value === 'string') return value.replace(own, '/dev/sda');
    if (value instanceof Map) {
      const entries = [...(value as Map<unknown, unknown>)].filter(([key]) => !isForeign(String(key)));
      return new Map(entries.map(([key, entry]) => [outward(key, method), entry]));
    }
    if (!Array.isArray(value)) return value;
    const kept = value.filter((each) => typeof each !== 'string' || !isForeign(each));
    return (method === 'vgs' ? kept.filter((each) => isOurs(String(each))) : kept).map((each) =>
      typeof each === 'string' ? outward(each, method) : (each as unknown),
    );
  };
  const view = new Proxy(guest, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) =>
        outward(await (member.apply(target, args.map(inward)) as unknown), String(property));
    },
  });
  return { guest: view, named };
}
