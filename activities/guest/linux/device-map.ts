import type { DiskBus } from '../../../contracts/spec.ts';
import type { GuestFacts } from '../../../contracts/values.ts';
import { parsePartitionTable, type PartitionTable } from '../../image/partition-table.ts';
import { recognise, signatureBytes } from '../../image/signatures.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { parseDeviceName, placeOf, typeFits, type ParsedName } from './device-names.ts';
import { learnDiskOrder, orderUnknown, placeHere, type DiskOrder } from './disk-order.ts';
import { readGuestText } from './guest-text.ts';

/**
 * From the names a guest used for its disks to the file systems on them. The bus changes with the hypervisor
 * and the name with the bus, so what a guest calls /dev/sda1, /dev/xvda1 or /dev/nvme0n1p1 is found by the
 * place of the disk among the VM's disks and by its partition number.
 */

/** A partition, or a whole disk that carries a file system. */
export interface Volume {
  /** Appliance name, for example /dev/sda1. */
  device: string;
  /** Place of its disk, from 0. */
  disk: number;
  /** Undefined for a whole disk. */
  partition?: number;
  /** `ext4`, `swap`, `crypto_LUKS`, `LVM2_member` ...; undefined when nothing was recognised. */
  fsType?: string;
  uuid?: string;
  partUuid?: string;
}

export interface DeviceMap {
  diskCount: number;
  volumes: Volume[];
  /** The root file system when it lies directly on a volume. */
  rootDevice?: string;
  /** Where the guest counted its disks otherwise than they are listed here. */
  order?: DiskOrder;
}

/** What is known besides the name: the type that fstab states, and whether it is the root file system. */
export interface Expectation {
  fsType?: string;
  isRoot?: boolean;
}

export type Resolution =
  { kind: 'stable' } | { kind: 'found'; volume: Volume } | { kind: 'unknown'; reason: string };

/** Fixes change files and never devices, and under emulation each look at one takes a third of a second. */
const known = new WeakMap<Guestfs, KnownDevices>();

interface KnownDevices {
  map: Promise<DeviceMap>;
  /** Of each root, as it was before the fixes: afterwards it says nothing of the guest's own order of disks. */
  fstabs: Map<string, Promise<string>>;
}

/**
 * What is on each partition and partitionless disk of the appliance; read once for a session. Before: the
 * guest is mounted, and its fstab is as the guest left it.
 */
export async function readDeviceMap(guest: Guestfs, facts: GuestFacts): Promise<DeviceMap> {
  const { map, fstabs } = knownOf(guest);
  const rootDevice = facts.root?.device ?? '';
  const reading = fstabs.get(rootDevice) ?? readFstab(guest);
  fstabs.set(rootDevice, reading);
  const [{ diskCount, volumes }, fstab] = await Promise.all([map, reading]);
  const root = volumes.find((volume) => volume.device === rootDevice);
  const order = root && learnDiskOrder(fstab, root, { diskCount, volumes });
  return {
    diskCount,
    volumes,
    ...tagged('rootDevice', root?.device),
    ...(order === undefined ? {} : { order }),
  };
}

function knownOf(guest: Guestfs): KnownDevices {
  const earlier = known.get(guest);
  if (earlier !== undefined) return earlier;
  const map = readVolumes(guest);
  const reading = { map, fstabs: new Map<string, Promise<string>>() };
  known.set(guest, reading);
  map.catch(() => known.delete(guest));
  return reading;
}

/** What cannot be read of it is told by the fix that edits it. */
async function readFstab(guest: Guestfs): Promise<string> {
  return (await readGuestText(guest, '/etc/fstab', []))?.text ?? '';
}

async function readVolumes(guest: Guestfs): Promise<DeviceMap> {
  const disks = await guest.listDevices();
  const partitions = (await guest.listPartitions()).map((device) => ({
    device,
    place: placeOf(device, disks),
  }));
  const partitioned = new Set(partitions.map(({ place }) => place?.disk));
  const whole = disks
    .map((device, disk) => ({ device, place: { disk } }))
    .filter(({ place }) => !partitioned.has(place.disk));
  const partUuids = await readPartUuids(guest, disks, partitioned);
  // Members of old arrays look like the file system on the array; blkid alone reads the end of the device.
  const read = (await guest.listMdDevices()).length > 0 ? readTags : readSignature;
  const volumes: Volume[] = [];
  for (const { device, place } of [...whole, ...partitions]) {
    if (place === undefined) continue;
    const partUuid = 'partition' in place ? partUuids(place) : undefined;
    volumes.push({ device, ...place, ...tagged('partUuid', partUuid), ...(await read(guest, device)) });
  }
  return { diskCount: disks.length, volumes };
}

/** PARTUUIDs from the partition tables. MBR counts logical partitions, which it does not list, in the same way. */
async function readPartUuids(
  guest: Guestfs,
  disks: readonly string[],
  partitioned: ReadonlySet<number | undefined>,
): Promise<(place: { disk: number; partition?: number }) => string | undefined> {
  const tables = new Map<number, PartitionTable>();
  for (const [disk, device] of disks.entries()) {
    if (!partitioned.has(disk)) continue;
    tables.set(disk, parsePartitionTable(await guest.preadDevice(device, signatureBytes, 0)));
  }
  return ({ disk, partition }) => {
    const table = tables.get(disk);
    const entry = table?.partitions.find(({ number }) => number === partition);
    if (entry !== undefined || table?.kind !== 'mbr' || partition === undefined)
      return safeTag(entry?.partUuid);
    const signature = table.partitions[0]?.partUuid.split('-')[0];
    return safeTag(signature && `${signature}-${partition.toString(16).padStart(2, '0')}`);
  };
}

type Tags = Pick<Volume, 'fsType' | 'uuid' | 'partUuid'>;

/** What the first bytes say; blkid is asked only where they are not clear, as it takes a third of a second. */
async function readSignature(guest: Guestfs, device: string): Promise<Tags> {
  try {
    const head = await guest.preadDevice(device, signatureBytes, 0);
    const [only, ...more] = recognise(head);
    if (only !== undefined && more.length === 0)
      return { ...tagged('fsType', safeTag(only.type)), ...tagged('uuid', safeTag(only.uuid)) };
    if (head.every((byte) => byte === 0)) return {};
  } catch (error) {
    // A partition smaller than the read, or one that cannot be read: blkid says what it can.
    if (!isGuestfsFailure(error) && !(error instanceof RangeError)) throw error;
  }
  return readTags(guest, device);
}

async function readTags(guest: Guestfs, device: string): Promise<Tags> {
  // An extended or empty partition has nothing to tell.
  const tags = await guest.blkid(device).catch((error: unknown) => {
    if (isGuestfsFailure(error)) return new Map<string, string>();
    throw error;
  });
  return {
    ...tagged('fsType', safeTag(tags.get('TYPE'))),
    ...tagged('uuid', safeTag(tags.get('UUID'))),
    ...tagged('partUuid', safeTag(tags.get('PART_ENTRY_UUID') ?? tags.get('PARTUUID'))),
  };
}

function tagged<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, string>);
}

/** Tags come from the disk and go into configuration files: nothing that could break a line gets through. */
function safeTag(value: string | undefined): string | undefined {
  return value !== undefined && /^[A-Za-z0-9_.:-]{1,64}$/.test(value) ? value : undefined;
}

/**
 * Finds the volume that a name of the guest's old world means. Evidence is never outvoted: a name whose place
 * holds another type of file system than stated, or that several volumes could carry, is `unknown`.
 */
export function resolveDevice(name: string, map: DeviceMap, expected: Expectation = {}): Resolution {
  const stated = parseDeviceName(name);
  if (stated === undefined) return { kind: 'stable' };
  const root = map.volumes.find((volume) => volume.device === map.rootDevice);
  if (expected.isRoot && root !== undefined) return { kind: 'found', volume: root };
  const parsed = placeHere(stated, map.order);
  if (parsed === undefined) return { kind: 'unknown', reason: `${name} ${orderUnknown}` };
  const candidates = map.volumes.filter(
    (volume) =>
      volume.partition === parsed.partition &&
      (parsed.kind === 'place'
        ? volume.disk === parsed.disk
        : !(parsed.isData === true && volume.disk === (map.order?.root.disk ?? 0))) &&
      typeFits(volume.fsType, expected.fsType),
  );
  const [only] = candidates;
  if (
    only !== undefined &&
    candidates.length === 1 &&
    (parsed.kind === 'place' || only.fsType !== undefined)
  ) {
    return { kind: 'found', volume: only };
  }
  return { kind: 'unknown', reason: whyUnknown(name, parsed, map, expected, candidates.length) };
}

function whyUnknown(
  name: string,
  parsed: ParsedName,
  map: DeviceMap,
  expected: Expectation,
  candidates: number,
): string {
  if (candidates > 1) return `${name} could be any of ${candidates} volumes`;
  if (parsed.kind === 'place' && parsed.disk >= map.diskCount)
    return `${name} would be disk ${parsed.disk + 1}, but the VM has ${map.diskCount}`;
  const at = map.volumes.find(
    (volume) =>
      parsed.kind === 'place' && volume.disk === parsed.disk && volume.partition === parsed.partition,
  );
  if (at !== undefined)
    return `${name} should be ${expected.fsType ?? 'a file system'} but its place holds ${at.fsType ?? 'nothing known'}`;
  return `nothing was found at the place of ${name}`;
}

/**
 * The UUID=, or where a file system has none or shares it with another, the PARTUUID= that names a volume
 * wherever it is attached; undefined when neither is unique.
 */
export function stableName(
  volume: Volume,
  map: DeviceMap,
  prefer: 'uuid' | 'partuuid' = 'uuid',
): string | undefined {
  const count = (key: 'uuid' | 'partUuid') =>
    map.volumes.filter((other) => other[key] === volume[key]).length;
  // The members of one btrfs file system carry the same UUID, rightly.
  const byUuid =
    volume.uuid !== undefined && (volume.fsType === 'btrfs' || count('uuid') === 1)
      ? `UUID=${volume.uuid}`
      : undefined;
  const byPartUuid =
    volume.partUuid !== undefined && count('partUuid') === 1 ? `PARTUUID=${volume.partUuid}` : undefined;
  return prefer === 'uuid' ? (byUuid ?? byPartUuid) : (byPartUuid ?? byUuid);
}

/** What Linux calls disks of virtio, and of SATA and SCSI. */
export type DiskKind = 'vd' | 'sd';

export function diskKind(bus: DiskBus = 'virtio'): DiskKind {
  return bus === 'virtio' ? 'vd' : 'sd';
}

/** /dev/vda, /dev/vdb ... /dev/vdaa for a place from 0. */
export function diskName(kind: DiskKind, place: number): string {
  let letters = '';
  for (let left = place + 1; left > 0; left = Math.floor((left - 1) / 26))
    letters = String.fromCharCode(97 + ((left - 1) % 26)) + letters;
  return `/dev/${kind}${letters}`;
}
