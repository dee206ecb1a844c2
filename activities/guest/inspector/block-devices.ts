import { LonghaulError } from '../../../contracts/errors.ts';
import { parseDeviceName } from '../linux/device-map.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { parsePartitionTable, partitionTableBytes, type PartitionTable } from './partition-table.ts';

/** What the disks hold, asked once and remembered: each question to the appliance is slow under emulation. */
export class BlockDevices {
  /** Disks in guest order, for example /dev/sda. */
  readonly disks: string[];
  /** Device to type as libguestfs names them: `ext4`, `swap`, `crypto_LUKS`, `unknown`; btrfs once a device. */
  readonly types: ReadonlyMap<string, string>;
  private readonly guest: Guestfs;
  private readonly aliases = new Map<string, string>();
  private readonly tags = new Map<string, Promise<Map<string, string>>>();
  private readonly tables = new Map<string, Promise<PartitionTable>>();

  private constructor(guest: Guestfs, disks: string[], types: ReadonlyMap<string, string>) {
    this.guest = guest;
    this.disks = disks;
    this.types = types;
  }

  /** @param fileSystems what libguestfs lists once the containers that can be opened are open */
  static async of(guest: Guestfs, fileSystems: ReadonlyMap<string, string>): Promise<BlockDevices> {
    const types = new Map([...fileSystems].filter(([device]) => !device.startsWith('btrfsvol:')));
    return new BlockDevices(guest, await guest.listDevices(), types);
  }

  /** Devices of the given types, in the order of the disks. */
  ofType(...types: string[]): string[] {
    return [...this.types].filter(([, type]) => types.includes(type)).map(([device]) => device);
  }

  /** A name the guest uses for a device that has another name here, for example from its crypttab. */
  addAlias(guestName: string, device: string): void {
    this.aliases.set(guestName, device);
  }

  async uuid(device: string): Promise<string | undefined> {
    return (await this.tagsOf(device)).get('UUID');
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
    if (this.types.has(real)) return real;
    const mapped = [...this.types.keys()].find((device) => mapperName(device) === real);
    if (mapped !== undefined) return mapped;
    const parsed = parseDeviceName(real);
    if (parsed?.kind !== 'place') return undefined;
    const device = `${this.disks[parsed.disk] ?? ''}${parsed.partition ?? ''}`;
    return this.types.has(device) ? device : undefined;
  }

  private async byTag(tag: string, value: string): Promise<string | undefined> {
    if (tag === 'PARTUUID') {
      for (const disk of this.disks) {
        const { partitions } = await this.table(disk);
        const entry = partitions.find(({ partUuid }) => partUuid === value.toLowerCase());
        if (entry !== undefined) return `${disk}${entry.number}`;
      }
    }
    const keys = {
      UUID: ['UUID'],
      LABEL: ['LABEL'],
      PARTUUID: ['PART_ENTRY_UUID'],
      PARTLABEL: ['PART_ENTRY_NAME'],
    }[tag];
    for (const [device, type] of this.types) {
      if (type === 'unknown' && !tag.startsWith('PART')) continue;
      const tags = await this.tagsOf(device);
      if (keys?.some((key) => sameTag(tag, tags.get(key), value))) return device;
    }
    return undefined;
  }

  private tagsOf(device: string): Promise<Map<string, string>> {
    const known = this.tags.get(device) ?? this.readTags(device);
    this.tags.set(device, known);
    return known;
  }

  private async readTags(device: string): Promise<Map<string, string>> {
    try {
      return await this.guest.blkid(device);
    } catch (error) {
      // blkid fails on a device without any signature.
      if (error instanceof LonghaulError && error.code === 'GUESTFS_FAILED') return new Map();
      throw error;
    }
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

function sameTag(tag: string, found: string | undefined, wanted: string): boolean {
  if (found === undefined) return false;
  return tag.endsWith('UUID') ? found.toLowerCase() === wanted.toLowerCase() : found === wanted;
}

/** /dev/vg/lv as the device mapper names it: dashes within a part are doubled, lvm(8). */
function mapperName(device: string): string | undefined {
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(device) ?? [];
  if (group === undefined || volume === undefined || group === 'mapper') return undefined;
  const escape = (part: string) => part.replaceAll('-', '--');
  return `/dev/mapper/${escape(group)}-${escape(volume)}`;
}
