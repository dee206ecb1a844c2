import { isGuestfsFailure } from '../guest-errors.ts';
import { parseDeviceName } from '../linux/device-map.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { parsePartitionTable, partitionTableBytes, type PartitionTable } from './partition-table.ts';
import type { Volume } from './volumes.ts';

/** What the disks hold, and the devices that the guest's names for it mean. */
export class BlockDevices {
  /** Disks in guest order, for example /dev/sda. */
  readonly disks: string[];
  readonly volumes: readonly Volume[];
  private readonly guest: Guestfs;
  private readonly aliases = new Map<string, string>();
  private readonly tables = new Map<string, Promise<PartitionTable>>();

  private constructor(guest: Guestfs, disks: string[], volumes: readonly Volume[]) {
    this.guest = guest;
    this.disks = disks;
    this.volumes = volumes;
  }

  /** @param volumes what the disks hold once the containers that can be opened are open */
  static async of(guest: Guestfs, volumes: readonly Volume[]): Promise<BlockDevices> {
    return new BlockDevices(guest, await guest.listDevices(), volumes);
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

  table(disk: string): Promise<PartitionTable> {
    const known = this.tables.get(disk) ?? this.readTable(disk);
    this.tables.set(disk, known);
    return known;
  }

  /**
   * The appliance's device for the first field of an fstab line, fstab(5); undefined when it is on no disk or
   * names a device by a path that the move changes.
   */
  async resolve(name: string): Promise<string | undefined> {
    const [, tag, quoted] = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/.exec(tagged(name)) ?? [];
    if (tag !== undefined && quoted !== undefined) return this.byTag(tag, quoted.replace(/^"(.*)"$/, '$1'));
    const real = this.aliases.get(name) ?? name;
    if (this.volume(real) !== undefined) return real;
    const mapped = this.volumes.find(({ device }) => mapperName(device) === real)?.device;
    if (mapped !== undefined) return mapped;
    const parsed = parseDeviceName(real);
    if (parsed?.kind !== 'place') return undefined;
    const device = `${this.disks[parsed.disk] ?? ''}${parsed.partition ?? ''}`;
    return this.volume(device)?.device;
  }

  private async byTag(tag: string, value: string): Promise<string | undefined> {
    const wanted = value.toLowerCase();
    if (tag === 'UUID') return this.volumes.find(({ uuid }) => uuid?.toLowerCase() === wanted)?.device;
    if (tag === 'PARTUUID') {
      for (const disk of this.disks) {
        const { partitions } = await this.table(disk);
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

  private async readTable(disk: string): Promise<PartitionTable> {
    return parsePartitionTable(await this.guest.preadDevice(disk, partitionTableBytes, 0));
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
