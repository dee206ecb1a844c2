import type { DiskBus } from '../../../contracts/spec.ts';
import type { GuestFacts } from '../../../contracts/values.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import { parsePartitionTable, type PartitionTable } from '../inspector/partition-table.ts';
import { recognise, signatureBytes } from '../inspector/signatures.ts';
import type { Guestfs } from '../session/guestfs.ts';

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
}

/** What is known besides the name: the type that fstab states, and whether it is the root file system. */
export interface Expectation {
  fsType?: string;
  isRoot?: boolean;
}

export type Resolution =
  { kind: 'stable' } | { kind: 'found'; volume: Volume } | { kind: 'unknown'; reason: string };

type ParsedName =
  | { kind: 'place'; disk: number; partition?: number }
  /** Names the hypervisor's bus or disk serial; only the partition number survives the move. */
  | { kind: 'path'; partition?: number; isData?: boolean };

const maxParsedIndex = 4096;

/** Fixes change files and never devices, and under emulation each look at one takes a third of a second. */
const known = new WeakMap<Guestfs, Promise<DeviceMap>>();

/** What is on each partition and partitionless disk of the appliance; read once for a session. */
export function readDeviceMap(guest: Guestfs, facts: GuestFacts): Promise<DeviceMap> {
  const earlier = known.get(guest);
  if (earlier !== undefined) return withRoot(earlier, facts);
  const reading = readVolumes(guest);
  known.set(guest, reading);
  reading.catch(() => known.delete(guest));
  return withRoot(reading, facts);
}

async function withRoot(map: Promise<DeviceMap>, facts: GuestFacts): Promise<DeviceMap> {
  const { diskCount, volumes } = await map;
  const root = volumes.find((volume) => volume.device === facts.root?.device);
  return { diskCount, volumes, ...tagged('rootDevice', root?.device) };
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

function placeOf(device: string, disks: string[]): { disk: number; partition?: number } | undefined {
  const whole = disks.indexOf(device);
  if (whole >= 0) return { disk: whole };
  const match = /^(\/dev\/.*?[a-z])(\d+)$/.exec(device);
  const disk = disks.indexOf(match?.[1] ?? '');
  return disk < 0 ? undefined : { disk, partition: Number(match?.[2]) };
}

/**
 * Finds the volume that a name of the guest's old world means. Evidence is never outvoted: a name whose place
 * holds another type of file system than stated, or that several volumes could carry, is `unknown`.
 */
export function resolveDevice(name: string, map: DeviceMap, expected: Expectation = {}): Resolution {
  const parsed = parseDeviceName(name);
  if (parsed === undefined) return { kind: 'stable' };
  if (expected.isRoot && map.rootDevice !== undefined) {
    const root = map.volumes.find((volume) => volume.device === map.rootDevice);
    if (root !== undefined) return { kind: 'found', volume: root };
  }
  const candidates = map.volumes.filter(
    (volume) =>
      volume.partition === parsed.partition &&
      (parsed.kind === 'place'
        ? volume.disk === parsed.disk
        : !(parsed.isData === true && volume.disk === 0)) &&
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

const swapTypes = new Set(['swap', 'swsuspend']);

function typeFits(found: string | undefined, stated: string | undefined): boolean {
  if (stated === undefined || stated === 'auto' || stated === 'none' || stated === '') return true;
  if (found === undefined) return false;
  if (stated === 'swap') return swapTypes.has(found);
  // ext2 and ext3 are mounted by the ext4 driver, and vfat and msdos are one format.
  const family = (type: string) =>
    /^ext[234]$/.test(type) ? 'ext' : /^(vfat|msdos|fat)$/.test(type) ? 'fat' : type;
  return stated.split(',').some((type) => family(type) === family(found));
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

/** Whether a text holds a name that moves at all; reading the devices takes seconds. */
export function mentionsMovingDevice(text: string): boolean {
  return /\/dev\/(sd|xvd|hd|vd|ubd|nvme|cciss|ida|mmcblk|disk\/(by-path|by-id|by-diskseq|azure|cloud))/.test(
    text,
  );
}

/** Names that move with the hypervisor; undefined for everything that stays, or is no hard disk. */
export function parseDeviceName(name: string): ParsedName | undefined {
  if (!name.startsWith('/dev/') || name.length > 256) return undefined;
  const short = name.slice('/dev/'.length);
  return parseLettered(short) ?? parseNumbered(short) ?? parseByPath(short);
}

function parseLettered(short: string): ParsedName | undefined {
  const match = /^(?:sd|xvd|hd|vd|ubd)([a-z]{1,3})(\d{1,4})?$/.exec(short);
  if (!match?.[1]) return undefined;
  let index = 0;
  for (const letter of match[1]) index = index * 26 + (letter.charCodeAt(0) - 96);
  return place(index - 1, match[2]);
}

function parseNumbered(short: string): ParsedName | undefined {
  const nvme = /^nvme(\d{1,4})n(\d{1,4})(?:p(\d{1,4}))?$/.exec(short);
  if (nvme) {
    const controller = Number(nvme[1]);
    const namespace = Number(nvme[2]);
    // One controller a disk (AWS, Azure), or one controller with a namespace a disk (VMware).
    if (namespace === 1) return place(controller, nvme[3]);
    return controller === 0 && namespace > 1 ? place(namespace - 1, nvme[3]) : place(maxParsedIndex, nvme[3]);
  }
  const other = /^(?:cciss\/c0d|ida\/c0d|mmcblk)(\d{1,4})(?:p(\d{1,4}))?$/.exec(short);
  return other ? place(Number(other[1]), other[2]) : undefined;
}

function parseByPath(short: string): ParsedName | undefined {
  const match = /^disk\/(by-path|by-id|by-diskseq|azure|cloud)\/(.+)$/.exec(short);
  if (!match?.[2]) return undefined;
  // Rules of the clouds' agents, which name the disk that is booted from: azure-vm-utils, google-compute-engine.
  const boot =
    /^(?:root|azure_root|os|google-persistent-disk-0|scsi-0Google_PersistentDisk_persistent-disk-0)(?:-part(\d{1,4}))?$/;
  const first = boot.exec(match[2]);
  if (first) return place(0, first[1]);
  // A disk that the cloud lends and empties at each stop is none of the VM's.
  if (/^(azure|cloud)$/.test(match[1] ?? '') && /^(azure_)?resource(-part\d+)?$/.test(match[2]))
    return undefined;
  // Made by device mapper, LVM and md from their own metadata, which moves along.
  if (match[1] === 'by-id' && /^(dm-|lvm-|md-)/.test(match[2])) return undefined;
  const partition = /-part(\d{1,4})$/.exec(match[2])?.[1];
  // The clouds name the disk that is booted from in words of its own.
  const isData = /^(azure|cloud)$/.test(match[1] ?? '');
  return {
    kind: 'path',
    ...(isData ? { isData } : {}),
    ...(partition === undefined ? {} : { partition: Number(partition) }),
  };
}

function place(disk: number, partition: string | undefined): ParsedName {
  return { kind: 'place', disk, ...(partition === undefined ? {} : { partition: Number(partition) }) };
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
