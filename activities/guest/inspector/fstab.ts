/** One line of fstab(5) that may name a file system on a disk. */
export interface FstabEntry {
  device: string;
  path: string;
  fsType: string;
  options: string[];
}

const notOnDisk =
  /^(swap|tmpfs|ramfs|proc|sysfs|devpts|devtmpfs|cgroup2?|securityfs|debugfs|efivarfs|nfs4?|cifs|smb3?|fuse(\..*)?|sshfs|9p|virtiofs|ceph|glusterfs|overlay|autofs|none|iso9660|udf)$/;
const maxEntries = 256;

/** The entries that are mounted at boot from the guest's own disks, parents before children. */
export function localEntries(fstab: string): FstabEntry[] {
  return fstab
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .slice(0, maxEntries)
    .map((line) => {
      const [device = '', path = '', fsType = '', options = ''] = line.trim().split(/\s+/).map(unescape);
      return { device, path: normalized(path), fsType, options: options.split(',') };
    })
    .filter(
      ({ device, path, fsType, options }) =>
        path.startsWith('/') &&
        fsType !== '' &&
        !notOnDisk.test(fsType) &&
        !options.some((option) => ['noauto', 'bind', 'rbind', 'loop'].includes(option)) &&
        /^(\/dev\/|(UUID|LABEL|PARTUUID|PARTLABEL)=)/.test(device),
    )
    .sort((a, b) => depth(a.path) - depth(b.path));
}

/** Every mount point that fstab speaks of, whether it is mounted at boot or not. */
export function namedPaths(fstab: string): Set<string> {
  const lines = fstab.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  return new Set(
    lines.slice(0, maxEntries).map((line) => normalized(unescape(line.trim().split(/\s+/)[1] ?? ''))),
  );
}

/** Spaces and the like are written in octal, getmntent(3). */
function unescape(field: string): string {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

function normalized(path: string): string {
  return path === '/' ? path : path.replace(/\/+/g, '/').replace(/\/$/, '');
}

function depth(path: string): number {
  return path === '/' ? 0 : path.split('/').length;
}
