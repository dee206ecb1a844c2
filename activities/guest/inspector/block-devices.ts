import {
  parsePartitionTable,
  type PartitionEntry,
  type PartitionTable,
} from '../../image/partition-table.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import { parseDeviceName, placeOf } from '../linux/device-names.ts';
import { learnDiskOrder, placeHere, type DiskOrder } from '../linux/disk-order.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { DiskLayout, Volume } from './volumes.ts';

/** What the disks hold, and the devices that the guest's names for it mean. */
export class BlockDevices {
  /** Disks in guest order, for example /dev/sda. */
  readonly disks: readonly string[];
  readonly volumes: readonly Volume[];
  private readonly guest: Guestfs;
  private readonly tables: readonly PartitionTable[];
  private readonly aliases = new Map<string, string>();
  private order: DiskOrder | undefined;

  /** @param layout what the disks hold once the containers that can be opened are open */
  constructor(guest: Guestfs, { disks, tables, volumes }: DiskLayout) {
    this.guest = guest;
    this.disks = disks;
    this.tables = tables;
    this.volumes = volumes;
  }

  /** Devices of the given types, in the order of the disks. */
  ofType(...types: string[]): string[] {
    return this.volumes.filter(({ type }) => types.includes(type)).map(({ device }) => device);
  }

  volume(device: string): Volume | undefined {
    return this.volumes.find((volume) => volume.device === device);
  }

  /** A name the guest uses for a device that has another name here, for example from its crypttab. */
  addAlias(guestName: string, device: string): void {
    this.aliases.set(guestName, device);
  }

  /**
   * Learns from the guest's fstab whether it counted its disks in another order; says so when it did.
   *
   * @param root device of the root file system
   */
  learnOrder(fstab: string, root: string): string | undefined {
    const volumes = this.volumes.flatMap(({ device, type, uuid }) => {
      const place = placeOf(device, this.disks);
      if (place === undefined) return [];
      return [{ ...place, fsType: type, ...(uuid === undefined ? {} : { uuid }) }];
    });
    const there = placeOf(root, this.disks);
    const at = volumes.find(({ disk, partition }) => disk === there?.disk && partition === there.partition);
    this.order = at && learnDiskOrder(fstab, at, { diskCount: this.disks.length, volumes });
    if (this.order === undefined) return undefined;
    return `/etc/fstab calls the root file system ${this.order.rootName}, and it lies on disk ${(there?.disk ?? 0) + 1} of source.disks: the guest counted its disks in another order, and its names for them are read in that one.`;
  }

  /** Whether a name could mean any disk, because the guest counted them in an order of its own. */
  isUnclear(name: string): boolean {
    const parsed = parseDeviceName(this.aliases.get(name) ?? name);
    return parsed !== undefined && placeHere(parsed, this.order) === undefined;
  }

  /** The partition table of a disk. */
  table(disk: string): PartitionTable {
    return this.tables[this.disks.indexOf(disk)] ?? parsePartitionTable(Buffer.alloc(0));
  }

  /** The partition-table entry of a volume; undefined for what is no partition. */
  partition(device: string): PartitionEntry | undefined {
    const disk = this.disks.find(
      (name) => device.startsWith(name) && /^\d+$/.test(device.slice(name.length)),
    );
    if (disk === undefined) return undefined;
    const number = Number(device.slice(disk.length));
    return this.table(disk).partitions.find((entry) => entry.number === number);
  }

  /**
   * The appliance's device for the first field of an fstab line, fstab(5); undefined when it is on no disk or
   * names a device by a path that the move changes.
   */
  async resolve(name: string): Promise<string | undefined> {
    const [, tag, quoted] = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/.exec(tagged(name)) ?? [];
    if (tag !== undefined && quoted !== undefined) return this.byTag(tag, quoted.replace(/^"(.*)"$/, '$1'));
    const real = this.aliases.get(name) ?? name;
    // Where disks changed places, a name that exists here may mean another disk.
    const isPlace = this.order !== undefined && parseDeviceName(real)?.kind === 'place';
    if (!isPlace && this.volume(real) !== undefined) return real;
    const mapped = this.volumes.find(({ device }) => mapperName(device) === real)?.device;
    if (mapped !== undefined) return mapped;
    if (/^\/dev\/md\b|^\/dev\/md\d/.test(real)) return this.byArrayName(real);
    const stated = parseDeviceName(real);
    const parsed = stated && placeHere(stated, this.order);
    if (parsed === undefined) return undefined;
    if (parsed.kind === 'path')
      return parsed.isData === true ? undefined : this.onlyPartition(parsed.partition);
    const device = `${this.disks[parsed.disk] ?? ''}${parsed.partition ?? ''}`;
    return this.volume(device)?.device;
  }

  /** A container under the name that the guest uses for it. */
  rename(device: string, guestName: string): void {
    const volume = this.volume(device);
    if (volume !== undefined) volume.device = guestName;
  }

  /** Of a name by bus or serial number only the partition's number survives the move: enough on a single disk. */
  private onlyPartition(number: number | undefined): string | undefined {
    const [disk, ...others] = this.disks;
    if (disk === undefined || others.length > 0) return undefined;
    return this.volume(`${disk}${number ?? ''}`)?.device;
  }

  /** Arrays get other numbers here; their superblocks keep the name they were made under, `host:0`. */
  private async byArrayName(name: string): Promise<string | undefined> {
    const wanted = /^\/dev\/md\/?(.+)$/.exec(name)?.[1];
    for (const { device } of this.volumes) {
      if (!device.startsWith('/dev/md')) continue;
      const details = await this.arrayDetails(device);
      const known = details.get('name')?.replace(/^.*:/, '');
      if (known === wanted || details.get('devname') === wanted) return device;
    }
    return undefined;
  }

  /** The array with this UUID, in mdadm's four groups. */
  async arrayByUuid(uuid: string): Promise<string | undefined> {
    for (const { device } of this.volumes) {
      if (device.startsWith('/dev/md') && (await this.arrayDetails(device)).get('uuid') === uuid)
        return device;
    }
    return undefined;
  }

  private async arrayDetails(device: string): Promise<Map<string, string>> {
    try {
      return await this.guest.mdDetail(device);
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      return new Map();
    }
  }

  private async byTag(tag: string, value: string): Promise<string | undefined> {
    const wanted = value.toLowerCase();
    if (tag === 'UUID') return this.volumes.find(({ uuid }) => uuid?.toLowerCase() === wanted)?.device;
    if (tag === 'PARTUUID') {
      for (const disk of this.disks) {
        const { partitions } = this.table(disk);
        const entry = partitions.find(({ partUuid }) => partUuid === wanted);
        if (entry !== undefined) return `${disk}${entry.number}`;
      }
    }
    const labelled = this.volumes.find(({ label }) => tag === 'LABEL' && label === value);
    return labelled?.device ?? (await this.askBlkid(tag, value));
  }

  /** What only blkid reads: labels in a FAT directory, names of partitions, logical partitions of MBR. */
  private async askBlkid(tag: string, value: string): Promise<string | undefined> {
    const key = { LABEL: 'LABEL', PARTUUID: 'PART_ENTRY_UUID', PARTLABEL: 'PART_ENTRY_NAME' }[tag];
    for (const { device, type } of this.volumes) {
      if (key === undefined || type === 'unknown') continue;
      try {
        if ((await this.guest.blkid(device)).get(key) === value) return device;
      } catch (error) {
        // A device that blkid cannot make sense of has no such name.
        if (!isGuestfsFailure(error)) throw error;
      }
    }
    return undefined;
  }
}

/** /dev/disk/by-uuid/X is UUID=X in another spelling; udev writes awkward characters of labels as \x20. */
function tagged(name: string): string {
  const [, tag, value] = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(name) ?? [];
  if (tag === undefined || value === undefined) return name;
  const decoded = value.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return `${tag.toUpperCase()}=${decoded}`;
}

/** /dev/vg/lv as the device mapper names it: dashes within a part are doubled, lvm(8). */
function mapperName(device: string): string | undefined {
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(device) ?? [];
  if (group === undefined || volume === undefined || group === 'mapper') return undefined;
  const escape = (part: string) => part.replaceAll('-', '--');
  return `/dev/mapper/${escape(group)}-${escape(volume)}`;
}
