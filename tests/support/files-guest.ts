import { LonghaulError } from '../../contracts/errors.ts';
import type { Guestfs } from '../../activities/guest/session/guestfs.ts';

export interface FilesGuest {
  guest: Guestfs;
  files: Map<string, string>;
  labels: Map<string, string>;
}

/**
 * A guest of regular files alone: no links, no devices but the empty disk, and programs as `command` answers
 * for them. Files below `/boot/efi` are on FAT, which keeps no labels.
 */
export function filesGuest(
  contents: Readonly<Record<string, string>>,
  command: (argv: readonly string[]) => string = () => '',
): FilesGuest {
  const files = new Map(Object.entries(contents));
  const labels = new Map<string, string>();
  const isDir = (path: string) => [...files.keys()].some((file) => file.startsWith(`${path}/`));
  const failure = (found: string) => new LonghaulError('GUESTFS_FAILED', { found, remedy: 'None.' });
  const guest = {
    listDevices: () => Promise.resolve(['/dev/sda']),
    listPartitions: () => Promise.resolve(['/dev/sda1', '/dev/sda2']),
    listMdDevices: () => Promise.resolve([]),
    preadDevice: (_device: string, count: number) => Promise.resolve(Buffer.alloc(count, 1)),
    blkid: (device: string) =>
      Promise.resolve(
        new Map([
          ['TYPE', device === '/dev/sda2' ? 'crypto_LUKS' : 'ext4'],
          ['UUID', `on-${device.slice(5)}`],
        ]),
      ),
    isSymlink: () => Promise.resolve(false),
    isFile: (path: string) => Promise.resolve(files.has(path)),
    isDir: (path: string) => Promise.resolve(isDir(path)),
    exists: (path: string) => Promise.resolve(files.has(path) || isDir(path)),
    // Enough of glob(7) for patterns that spell out the names of files.
    glob: (pattern: string) =>
      Promise.resolve(
        [...files.keys()].filter((path) => pattern.includes(path.slice(path.lastIndexOf('/') + 1))).sort(),
      ),
    ls: (path: string) =>
      Promise.resolve([
        ...new Set(
          [...files.keys()]
            .filter((file) => file.startsWith(`${path}/`))
            .map((file) => file.slice(path.length + 1).split('/')[0] ?? ''),
        ),
      ]),
    stat: (path: string) =>
      Promise.resolve({ mode: 0o100644, uid: 0, gid: 0, sizeBytes: files.get(path)?.length ?? 0 }),
    readFile: (path: string) => Promise.resolve(Buffer.from(files.get(path) ?? '', 'latin1')),
    replaceFile: (path: string, content: string | Uint8Array) => {
      files.set(path, Buffer.from(content as string).toString('latin1'));
      return Promise.resolve();
    },
    selinuxLabel: (path: string) => Promise.resolve(labels.get(path)),
    setSelinuxLabel: (label: string, path: string) => {
      if (path.startsWith('/boot/efi')) return Promise.reject(failure('lsetxattr: Operation not supported'));
      labels.set(path, label);
      return Promise.resolve();
    },
    command: (argv: readonly string[]) => {
      try {
        return Promise.resolve(command(argv));
      } catch (error) {
        return Promise.reject(failure(String(error)));
      }
    },
  };
  return { guest: guest as unknown as Guestfs, files, labels };
}
