import { holdsNoFileSystem, parsePartitionTable, type PartitionTable } from '../../image/partition-table.ts';
import { recognise, signatureBytes, type Signature } from '../../image/signatures.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';

/**
 * A partition, whole disk without partitions, logical volume, RAID array or opened container. `type` is in
 * blkid's words, `unknown` for what nobody recognises, `unreadable` for what cannot be read.
 */
export interface Volume extends Signature {
  device: string;
}

/** What lies on the VM's disks. */
export interface DiskLayout {
  /** In guest order, for example /dev/sda. */
  disks: string[];
  /** Partition table of each disk, in their order. */
  tables: PartitionTable[];
  volumes: Volume[];
}

/** Members of arrays whose superblock stands at the end look like the file system on the array. */
const raidPartition = ['0xfd', 'A19D880F-05FC-4D3B-A006-743F0F84911E'];

/**
 * Everything on the disks that may hold a file system. Unlike libguestfs's own list it has encrypted
 * containers and physical volumes too. One read a disk says which partitions there are, one read a volume
 * what it holds; blkid(8), at a quarter of a second under emulation, is asked where that leaves a doubt.
 */
export async function readLayout(guest: Guestfs): Promise<DiskLayout> {
  const disks = await guest.listDevices();
  const layout: DiskLayout = { disks, tables: [], volumes: [] };
  const arrays = await guest.listMdDevices();
  const look = new DiskLook(guest, arrays.length > 0);
  for (const disk of disks) {
    const head = await readHead(guest, disk);
    const table = parsePartitionTable(head ?? Buffer.alloc(0));
    layout.tables.push(table);
    if (head === undefined) layout.volumes.push({ device: disk, type: 'unreadable' });
    else layout.volumes.push(...(await look.volumesOf(disk, head, table)));
  }
  for (const array of arrays) layout.volumes.push(await probeVolume(guest, array, false));
  layout.volumes.push(...(await logicalVolumes(guest, layout.volumes, [])));
  return layout;
}

class DiskLook {
  private readonly guest: Guestfs;
  private readonly hasArrays: boolean;
  private listed: Promise<string[]> | undefined;

  constructor(guest: Guestfs, hasArrays: boolean) {
    this.guest = guest;
    this.hasArrays = hasArrays;
  }

  async volumesOf(disk: string, head: Buffer, table: PartitionTable): Promise<Volume[]> {
    if (table.kind === 'none' && recognise(head).length > 0)
      return [await judge(this.guest, disk, head, this.hasArrays)];
    if (table.kind !== 'none' && !table.hasMore) {
      const derived = table.partitions.map(({ number }) => `${disk}${number}`);
      const volumes = await this.probe(derived, table);
      if (volumes.every(({ type }) => type !== 'unreadable')) return volumes;
    }
    // Logical partitions, tables of other systems and those that lie are left to the appliance's kernel.
    this.listed ??= this.guest.listPartitions();
    const partitions = (await this.listed).filter((partition) => isPartitionOf(partition, disk));
    if (partitions.length === 0) return [await judge(this.guest, disk, head, this.hasArrays)];
    return this.probe(partitions, table);
  }

  private async probe(partitions: string[], table: PartitionTable): Promise<Volume[]> {
    const volumes: Volume[] = [];
    for (const device of partitions) {
      const number = Number(/\d+$/.exec(device)?.[0]);
      const type = table.partitions.find((entry) => entry.number === number)?.type ?? '';
      if (holdsNoFileSystem(type)) continue;
      const mayBeMember = this.hasArrays || raidPartition.includes(type);
      volumes.push(await probeVolume(this.guest, device, mayBeMember));
    }
    return volumes;
  }
}

/** Volumes that came up with an opened container: itself, and logical volumes on it. */
export async function listOpened(
  guest: Guestfs,
  mapped: string,
  known: readonly Volume[],
): Promise<Volume[]> {
  const container = await probeVolume(guest, mapped, false);
  if (container.type === 'LVM2_member') await guest.lvmScan(true);
  return [container, ...(await logicalVolumes(guest, [container], known))];
}

async function logicalVolumes(
  guest: Guestfs,
  members: readonly Volume[],
  known: readonly Volume[],
): Promise<Volume[]> {
  if (!members.some(({ type }) => type === 'LVM2_member')) return [];
  const volumes: Volume[] = [];
  for (const device of await guest.lvs()) {
    if (!known.some((volume) => volume.device === device))
      volumes.push(await probeVolume(guest, device, false));
  }
  return volumes;
}

async function probeVolume(guest: Guestfs, device: string, mayBeMember: boolean): Promise<Volume> {
  const head = await readHead(guest, device);
  return head === undefined ? { device, type: 'unreadable' } : judge(guest, device, head, mayBeMember);
}

/** Undefined when the device is not there or fails to read. */
async function readHead(guest: Guestfs, device: string): Promise<Buffer | undefined> {
  try {
    const head = await guest.preadDevice(device, signatureBytes, 0);
    // A read ends where the device does, or before the first sector that fails.
    const whole = head.length === signatureBytes || head.length === (await guest.blockdevGetSize64(device));
    return whole ? head : undefined;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    return undefined;
  }
}

async function judge(guest: Guestfs, device: string, head: Buffer, mayBeMember: boolean): Promise<Volume> {
  const found = recognise(head);
  const [only] = found;
  const certain = found.length === 1 && (!mayBeMember || only?.type === 'linux_raid_member');
  if (only !== undefined && certain) return { device, ...only };
  if (head.every((byte) => byte === 0) && !mayBeMember) return { device, type: 'unknown' };
  return askBlkid(guest, device);
}

async function askBlkid(guest: Guestfs, device: string): Promise<Volume> {
  try {
    const tags = await guest.blkid(device);
    const [uuid, label] = [tags.get('UUID'), tags.get('LABEL')];
    return {
      device,
      type: tags.get('TYPE') ?? 'unknown',
      ...(uuid === undefined ? {} : { uuid }),
      ...(label === undefined ? {} : { label }),
    };
  } catch (error) {
    // blkid fails on a device without any signature.
    if (!isGuestfsFailure(error)) throw error;
    return { device, type: 'unknown' };
  }
}

function isPartitionOf(partition: string, disk: string): boolean {
  return partition.startsWith(disk) && /^p?\d+$/.test(partition.slice(disk.length));
}
