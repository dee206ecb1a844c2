import { parseDeviceName, typeFits, type ParsedName, type PlaceName } from './device-names.ts';

/**
 * The order in which the guest counted its disks, where it is another than that of source.disks. The root file
 * system, which is found by what it holds, shows it: when fstab calls it by a place that it does not lie at, no
 * place name can be taken as it stands.
 */
export interface DiskOrder {
  /** What fstab calls the root file system. */
  rootName: string;
  rootPlace: PlaceName;
  /** Where the root file system lies here. */
  root: Placed;
  /** Place of a disk in the guest's count to its place here, as far as there is one answer only. */
  places: ReadonlyMap<number, number>;
}

/** Something on a disk here. */
interface Placed {
  disk: number;
  partition?: number;
  fsType?: string;
  uuid?: string;
}

interface Disks {
  diskCount: number;
  volumes: readonly Placed[];
}

/** A line of fstab that names a place, and what lies there according to it. */
interface Claim {
  place: PlaceName;
  fsType: string;
}

/** All orders of so many disks are tried. */
const maxDisks = 6;
const maxLines = 256;

export const orderUnknown =
  'could be on any disk: the guest counted its disks in another order than source.disks lists them';

/** Undefined when nothing shows that the order is another. */
export function learnDiskOrder(fstab: string, root: Placed, disks: Disks): DiskOrder | undefined {
  const lines = placesIn(fstab);
  const named = lines.find(({ path }) => path === '/');
  if (named === undefined || isAt(named.place, root, disks)) return undefined;
  const { place, device } = named;
  const order = { rootName: device, rootPlace: place, root };
  // Disks change places, partitions do not.
  if (place.partition !== root.partition) return { ...order, places: new Map() };
  const claims = lines.filter(({ isNeeded, path }) => isNeeded && path !== '/');
  return { ...order, places: whereCertain(place.disk, root.disk, claims, disks) };
}

/** A name with its place here; undefined where that cannot be told. */
export function placeHere(parsed: ParsedName, order: DiskOrder | undefined): ParsedName | undefined {
  if (order === undefined || parsed.kind !== 'place') return parsed;
  const { rootPlace, root } = order;
  if (parsed.isBoot === true) return { ...parsed, disk: root.disk };
  if (parsed.disk === rootPlace.disk && parsed.partition === rootPlace.partition) {
    const { partition } = root;
    return { kind: 'place', disk: root.disk, ...(partition === undefined ? {} : { partition }) };
  }
  const disk = order.places.get(parsed.disk);
  return disk === undefined ? undefined : { ...parsed, disk };
}

function placesIn(fstab: string): (Claim & { device: string; path: string; isNeeded: boolean })[] {
  return fstab
    .split('\n')
    .slice(0, maxLines)
    .flatMap((line) => {
      const [device = '', path = '', fsType = '', options = ''] = line.trim().split(/\s+/, 4);
      const place = parseDeviceName(device);
      if (place?.kind !== 'place' || place.isBoot === true) return [];
      // What need not be there says nothing of the disks that are.
      const isNeeded = !/^(iso9660|udf)(,|$)/.test(fsType) && !/(^|,)(noauto|nofail)(,|$)/.test(options);
      return [{ place, device, path, fsType, isNeeded }];
    });
}

/** The members of one btrfs file system are all its root. */
function isAt(place: PlaceName, root: Placed, { volumes }: Disks): boolean {
  if (place.disk === root.disk && place.partition === root.partition) return true;
  const there = volumes.find(({ disk, partition }) => disk === place.disk && partition === place.partition);
  return root.fsType === 'btrfs' && root.uuid !== undefined && there?.uuid === root.uuid;
}

/** What all orders have in common that put the root where it is and leave each claim true. */
function whereCertain(
  guestDisk: number,
  disk: number,
  claims: readonly Claim[],
  { diskCount, volumes }: Disks,
): Map<number, number> {
  const root = new Map([[guestDisk, disk]]);
  // With a disk left out, or too many of them, only that of the root is certain.
  if (guestDisk >= diskCount || diskCount > maxDisks) return root;
  const holds = (at: number, { place, fsType }: Claim) =>
    volumes.some(
      (volume) =>
        volume.disk === at && volume.partition === place.partition && typeFits(volume.fsType, fsType),
    );
  const mayBe = (from: number, to: number) =>
    claims.every((claim) => claim.place.disk !== from || holds(to, claim));
  const found = Array.from({ length: diskCount }, () => new Set<number>());
  const taken: number[] = [];
  const place = (from: number): void => {
    if (from === diskCount) {
      taken.forEach((to, at) => found[at]?.add(to));
      return;
    }
    for (let to = 0; to < diskCount; to++) {
      const isFree = !taken.includes(to) && (from === guestDisk) === (to === disk);
      if (!isFree || !mayBe(from, to)) continue;
      taken.push(to);
      place(from + 1);
      taken.pop();
    }
  };
  place(0);
  return new Map(
    found.flatMap((places, from): [number, number][] => {
      const [only] = places;
      return places.size === 1 && only !== undefined ? [[from, only]] : [];
    }),
  );
}
