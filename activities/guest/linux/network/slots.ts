/**
 * Which card a name was made for, as far as the name itself says: the kernel counts eth0, eth1, Xen's front end
 * enX0, enX1, and VMware gives each card a slot in a known order. Pure.
 */

/** A name whose card is known, by its place in the source's order. */
export interface Placed {
  name: string;
  index: number;
}

/** The place a name stands for; undefined where this way of counting does not know the name. */
type Counting = (name: string) => number | undefined;

const counted =
  (pattern: RegExp): Counting =>
  (name) => {
    const number = pattern.exec(name)?.[1];
    return number === undefined ? undefined : Number(number);
  };

/**
 * VMware's bridges are at 160, 192, 224 and 256. They hold cards in their first function before any is put
 * into a second one, so that ens161 follows ens256. A paravirtual SCSI controller may have the first place.
 */
const vmware =
  (taken: number): Counting =>
  (name) => {
    const slot = vmwareSlot(name);
    return slot === undefined ? undefined : (slot % 32) * 4 + (Math.floor(slot / 32) - 5) - taken;
  };

export function vmwareSlot(name: string): number | undefined {
  const slot = Number(/^ens(\d+)$/.exec(name)?.[1]);
  return slot >= 160 && slot < 288 ? slot : undefined;
}

/** Each family of names with the ways in which it may count. */
const kernels: readonly (readonly Counting[])[] = [[counted(/^eth(\d{1,3})$/)], [counted(/^enX(\d{1,3})$/)]];
/** Slots can have gaps. Where there is a name for each card their order says enough. */
const hypervisors: readonly (readonly Counting[])[] = [[vmware(0), vmware(1)]];

/**
 * Places in the source's order of the names that tell theirs without a doubt. What is known already can speak
 * against a way of counting: a guest that renamed its cards has one of its own.
 *
 * @param names that are looked for
 * @param count of the VM's cards
 * @param known names whose card's MAC is still there
 * @param spare there are more cards than names
 */
export function placesByName(
  names: readonly string[],
  count: number,
  known: readonly Placed[],
  spare: boolean,
): Map<string, number> {
  const places = new Map<string, number>();
  for (const ways of spare ? [...kernels, ...hypervisors] : kernels) {
    const fitting = ways.filter(
      (placeOf) =>
        known.every(({ name, index }) => (placeOf(name) ?? index) === index) &&
        names.every((name) => isPlace(placeOf(name) ?? 0, count)),
    );
    const [placeOf, ...others] = fitting;
    if (placeOf === undefined || others.length > 0) continue;
    for (const name of names) {
      const place = placeOf(name);
      if (place !== undefined) places.set(name, place);
    }
  }
  return places;
}

function isPlace(index: number, count: number): boolean {
  return index >= 0 && index < count;
}
