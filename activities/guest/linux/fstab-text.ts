import { resolveDevice, stableName, type DeviceMap } from './device-map.ts';

/** An edited text and what was seen and left alone. */
export interface Edited {
  text: string;
  warnings: string[];
}

/** leading space, device, gap, mount point, gap, type, rest: fstab(5). */
const fstabLine = /^(\s*)([^\s#]\S*)(\s+)(\S+)(\s+)(\S+)(.*)$/s;
/** leading space, target name, gap, device, rest: crypttab(5). */
const crypttabLine = /^(\s*)([^\s#]\S*)(\s+)(\S+)(.*)$/s;

/** Pseudo and network file systems, whose first field is no disk. */
const notOnDisk =
  /^(tmpfs|proc|sysfs|devpts|devtmpfs|cgroup2?|nfs4?|cifs|smb3|fuse(\..*)?|9p|virtiofs|overlay|none)$/;
const removable = /^(iso9660|udf)(,|$)/;

/** Names the file systems of an fstab in a way that survives the move. Spacing and comments stay. */
export function editFstab(text: string, map: DeviceMap): Edited {
  const warnings: string[] = [];
  const lines = text.split('\n').map((line) => {
    const match = fstabLine.exec(line);
    if (!match) return line;
    const [, lead = '', device = '', gap1 = '', path = '', gap2 = '', fsType = ''] = match;
    const rest = editOptions(match[7] ?? '', map, `/etc/fstab (${path})`, warnings);
    if (notOnDisk.test(fsType) || isRemovable(device, path, fsType)) return line;
    const name = renamed(device, map, { fsType, isRoot: path === '/' }, `/etc/fstab (${path})`, warnings);
    return `${lead}${name ?? device}${gap1}${path}${gap2}${fsType}${rest}`;
  });
  return { text: lines.join('\n'), warnings };
}

/** Options that name a further device: a journal or log elsewhere, the members of a btrfs file system. */
function editOptions(rest: string, map: DeviceMap, where: string, warnings: string[]): string {
  return rest.replace(
    /([\s,](?:device|logdev|rtdev|journal_path|x-systemd\.requires)=)(\/dev\/[^\s,"']+)/g,
    (whole, lead: string, device: string) => {
      // The members of btrfs share their UUID; that of a journal is not in a place of its own.
      const name = renamed(device, map, { prefer: 'partuuid' }, where, warnings);
      const [, tag, value] = /^(UUID|PARTUUID)=(.+)$/.exec(name ?? '') ?? [];
      return tag === undefined ? whole : `${lead}/dev/disk/by-${tag.toLowerCase()}/${value ?? ''}`;
    },
  );
}

/** Floppies and CD drives keep their lines: nothing waits for them, and sr0 stays sr0. */
function isRemovable(device: string, path: string, fsType: string): boolean {
  return (
    removable.test(fsType) ||
    /^\/dev\/(fd|sr|scd|cdrom|dvd|floppy)/.test(device) ||
    /\/(cdrom|floppy|dvd)\d*$/.test(path)
  );
}

/** The same for the devices of encrypted volumes. */
export function editCrypttab(text: string, map: DeviceMap, path = '/etc/crypttab'): Edited {
  const warnings: string[] = [];
  const lines = text.split('\n').map((line) => {
    const match = crypttabLine.exec(line);
    if (!match) return line;
    const [, lead = '', target = '', gap = '', device = '', rest = ''] = match;
    // A volume with a new key for each boot has no signature that stays, only its place on the disk.
    const fleeting = /\s\/dev\/u?random\b/.test(rest) || /[\s,](swap|tmp|plain)\b/.test(rest);
    const expected = fleeting ? { prefer: 'partuuid' as const } : { fsType: 'crypto_LUKS' };
    const name = renamed(device, map, expected, `${path} (${target})`, warnings);
    return name === undefined ? line : `${lead}${target}${gap}${name}${rest}`;
  });
  return { text: lines.join('\n'), warnings };
}

/** The swap that initramfs-tools looks in for a hibernated system: /etc/initramfs-tools/conf.d/resume. */
export function editResume(text: string, map: DeviceMap): Edited {
  const warnings: string[] = [];
  const edited = text.replace(
    /^([ \t]*RESUME=)(["']?)(\/dev\/[^\s"']+)\2/gm,
    (line, key: string, quote: string, device: string) => {
      const name = renamed(device, map, { fsType: 'swap' }, 'the resume device', warnings);
      return name === undefined ? line : `${key}${quote}${name}${quote}`;
    },
  );
  return { text: edited, warnings };
}

/** The stable name for a device that moves; undefined for what stays, with a warning for what is not found. */
export function renamed(
  device: string,
  map: DeviceMap,
  expected: { fsType?: string; isRoot?: boolean; prefer?: 'uuid' | 'partuuid' },
  where: string,
  warnings: string[],
): string | undefined {
  const resolution = resolveDevice(device, map, expected);
  if (resolution.kind === 'stable') return undefined;
  if (resolution.kind === 'unknown') {
    warnings.push(`${where} was left alone: ${resolution.reason}.`);
    return undefined;
  }
  const name = stableName(resolution.volume, map, expected.prefer);
  if (name === undefined) warnings.push(`${where} was left alone: ${device} has no UUID of its own.`);
  return name;
}
