import { diskName, type DiskKind } from './device-map.ts';
import { parseDeviceName, type PlaceName } from './device-names.ts';
import { placeHere, type DiskOrder } from './disk-order.ts';

/** Names of whole disks in GRUB's tools; the disks of the new VM are all on one bus, in the same order. */

/** device.map of GRUB: `(hd0) /dev/sda`. A line for a disk the VM does not have becomes a comment. */
export function editDeviceMap(
  text: string,
  diskCount: number,
  kind: DiskKind = 'vd',
  order?: DiskOrder,
): string {
  return text
    .split('\n')
    .map((line) => {
      const [, lead = '', drive = '', device = '', tail = ''] =
        /^(\s*\((?:hd|vd)(\d+)\)\s+)(\/dev\/\S+)(\s*)$/.exec(line) ?? [];
      const parsed = parseDeviceName(device);
      if (parsed === undefined || parsed.partition !== undefined || device.startsWith(`/dev/${kind}`))
        return line;
      // Of a name by bus or serial number only GRUB's own count is left to go by.
      const disk = parsed.kind === 'place' ? diskHere(parsed, diskCount, order) : Number(drive);
      return disk < diskCount ? `${lead}${diskName(kind, disk)}${tail}` : `#${line}`;
    })
    .join('\n');
}

/** `boot=/dev/sda` of RHEL, or SUSE's list of devices, one a line. */
export function editBootDisks(
  text: string,
  diskCount: number,
  kind: DiskKind = 'vd',
  order?: DiskOrder,
): string {
  return text
    .split('\n')
    .map((line) => {
      const [, lead = '', device = '', tail = ''] = /^(\s*(?:boot=)?)(\/dev\/\S+)(\s*)$/.exec(line) ?? [];
      const parsed = parseDeviceName(device);
      if (parsed === undefined || parsed.partition !== undefined || device.startsWith(`/dev/${kind}`))
        return line;
      const bySerial = diskCount === 1 ? 0 : diskCount;
      const disk = parsed.kind === 'place' ? diskHere(parsed, diskCount, order) : bySerial;
      return disk < diskCount ? `${lead}${diskName(kind, disk)}${tail}` : line;
    })
    .join('\n');
}

/** One disk too many where it cannot be told which it is. */
function diskHere(place: PlaceName, diskCount: number, order: DiskOrder | undefined): number {
  const here = placeHere(place, order);
  return here?.kind === 'place' ? here.disk : diskCount;
}
