import { parseDeviceName } from './device-names.ts';

/** Which devices LVM looks at: lvmdevices(8), and the filters of lvm.conf(5). */

/** A physical volume on a disk of the VM. */
export interface PhysicalVolume {
  /** Its UUID without dashes, as LVM writes it. */
  pvid: string;
  /** The device that holds it in the new VM, for example /dev/vda3. */
  name: string;
  /** Its other names that do not come from hardware. */
  aliases: readonly string[];
  /** Undefined for a whole disk. */
  partition?: number;
}

/** IDs that the hardware has; those of md, LUKS, LVM and loop devices move along with what is on the disks. */
const ofHardware = /^(sys_wwid|wwid_\w+|sys_serial|mpath_uuid|nvme_\w+)$/;

/**
 * A devices file whose entries of physical volumes on disks of the VM name them by the device they are on now,
 * which LVM checks by their UUID. Entries of others, and what is not understood, stay.
 */
export function editDevicesFile(
  text: string,
  volumes: readonly PhysicalVolume[],
): { text: string; missing: string[] } {
  const byPvid = new Map(volumes.map((volume) => [volume.pvid, volume]));
  const missing: string[] = [];
  const lines = text.split('\n').map((line) => {
    const fields = new Map(
      line.split(/\s+/).flatMap((word): [string, string][] => {
        const [, key, value] = /^([A-Z]+)=(\S+)$/.exec(word) ?? [];
        return key === undefined || value === undefined ? [] : [[key, value]];
      }),
    );
    const [type = '', id = '', pvid = ''] = ['IDTYPE', 'IDNAME', 'PVID'].map((key) => fields.get(key));
    const moves = ofHardware.test(type) || (type === 'devname' && parseDeviceName(id) !== undefined);
    if (!moves || !/^\w{32}$/.test(pvid)) return line;
    const now = byPvid.get(pvid);
    if (now === undefined) {
      missing.push(pvid);
      return line;
    }
    if (type === 'devname' && id === now.name) return line;
    const part = now.partition === undefined ? '' : ` PART=${now.partition}`;
    return `IDTYPE=devname IDNAME=${now.name} DEVNAME=${now.name} PVID=${pvid}${part}`;
  });
  const edited = lines.join('\n');
  // The checksum is of LVM's own last version; without one LVM takes the file as it is.
  return { text: edited === text ? text : edited.replace(/^# HASH=\d+\n/m, ''), missing };
}

/** `filter = [ "a|^/dev/sda|", "r|.*|" ]`, over several lines as it may be. */
const filterSetting = /^([ \t]*(?:global_)?filter[ \t]*=[ \t]*)(\[[\s,]*(?:"[^"\n]*"[\s,]*)*\]|"[^"\n]*")/gm;
const maxPatterns = 64;
const oldHardware = /(?<![a-z])(sd|hd|xvd|nvme|cciss)|mapper\/mpath|disk\/by-(id|path)/;

export function hasFilters(text: string): boolean {
  return text.search(filterSetting) !== -1;
}

/**
 * An lvm.conf whose filters let through the physical volumes that they let through by a name of the old
 * hardware. The new names come first, since the first pattern that fits decides.
 *
 * @returns `unclear` are filters that were not understood
 */
export function editLvmFilters(
  text: string,
  volumes: readonly PhysicalVolume[],
): { text: string; unclear: string[] } {
  const unclear: string[] = [];
  const edited = text.replace(filterSetting, (whole, key: string, list: string) => {
    const written = [...list.matchAll(/"([^"]*)"/g)].map(([, pattern = '']) => pattern);
    const patterns = written.map(parsePattern);
    const known = patterns.filter((pattern) => pattern !== undefined);
    if (known.length < patterns.length || known.length > maxPatterns) {
      unclear.push(key.trim().replace(/\s*=$/, ''));
      return whole;
    }
    const lettingIn = known.some(({ accept, source }) => accept && oldHardware.test(source));
    const shutOut = lettingIn ? volumes.filter((volume) => isShutOut(known, volume)) : [];
    if (shutOut.length === 0) return whole;
    const all = [...shutOut.map(({ name }) => `a|^${name}$|`), ...written];
    return `${key}[ ${all.map((pattern) => `"${pattern}"`).join(', ')} ]`;
  });
  return { text: edited, unclear };
}

interface FilterPattern {
  accept: boolean;
  source: string;
  test: RegExp;
}

/** `a|regex|` or `r/regex/`. Patterns that could take long to try are not understood. */
function parsePattern(pattern: string): FilterPattern | undefined {
  const [, verb, , source] = /^([ar])([^\w\s])(.*)\2$/.exec(pattern) ?? [];
  if (verb === undefined || source === undefined || source.length > 200) return undefined;
  const quantified = source.match(/[*+?{]/g)?.length ?? 0;
  if (quantified > 4 || /\)[*+?{]|\(\?|\\\d/.test(source)) return undefined;
  try {
    return { accept: verb === 'a', source, test: new RegExp(source) };
  } catch {
    return undefined;
  }
}

/** A device is let in when any of its names is; of each the first pattern that fits decides. */
function isShutOut(patterns: readonly FilterPattern[], { name, aliases }: PhysicalVolume): boolean {
  const decided = [name, ...aliases].map((each) => patterns.find(({ test }) => test.test(each))?.accept);
  return decided.includes(false) && !decided.includes(true);
}
