/** Names of disks that change with the hypervisor, read as the places that they stand for. */

export type ParsedName =
  | PlaceName
  /** Names the hypervisor's bus or disk serial; only the partition number survives the move. */
  | { kind: 'path'; partition?: number; isData?: boolean };

export interface PlaceName {
  kind: 'place';
  /** Place among the disks as the guest counted them, from 0. */
  disk: number;
  partition?: number;
  /** The cloud's own name for the disk that is booted from. */
  isBoot?: boolean;
}

const maxParsedIndex = 4096;

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
  if (first) return { ...place(0, first[1]), isBoot: true };
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

/** Where a device of the appliance lies, by its names for disks; undefined for what is on none of them. */
export function placeOf(
  device: string,
  disks: readonly string[],
): { disk: number; partition?: number } | undefined {
  const whole = disks.indexOf(device);
  if (whole >= 0) return { disk: whole };
  const match = /^(\/dev\/.*?[a-z])(\d+)$/.exec(device);
  const disk = disks.indexOf(match?.[1] ?? '');
  return disk < 0 ? undefined : { disk, partition: Number(match?.[2]) };
}

function place(disk: number, partition: string | undefined): PlaceName {
  return { kind: 'place', disk, ...(partition === undefined ? {} : { partition: Number(partition) }) };
}

const swapTypes = new Set(['swap', 'swsuspend']);

/** Whether a file system is of the type that fstab states. */
export function typeFits(found: string | undefined, stated: string | undefined): boolean {
  if (stated === undefined || stated === 'auto' || stated === 'none' || stated === '') return true;
  if (found === undefined) return false;
  if (stated === 'swap') return swapTypes.has(found);
  // ext2 and ext3 are mounted by the ext4 driver, and vfat and msdos are one format.
  const family = (type: string) =>
    /^ext[234]$/.test(type) ? 'ext' : /^(vfat|msdos|fat)$/.test(type) ? 'fat' : type;
  return stated.split(',').some((type) => family(type) === family(found));
}
