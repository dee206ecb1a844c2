import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasErrno } from '../../../contracts/errors.ts';

/**
 * Where the libguestfs of a process made its sockets, outside the temporary directory it was given and left
 * there by a kill. libguestfs does not tell; the kernel does: the process holds a socket bound there.
 * Format of /proc/PID/net/unix: proc(5); inode and path are the last two fields.
 */
export function socketDirectoryOf(pid: number): string | undefined {
  try {
    const inodes = new Set(
      readdirSync(`/proc/${pid}/fd`).map((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(pid, fd))?.[1]),
    );
    for (const line of readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n')) {
      const [, inode, path] = / (\d+) (\/.*\/libguestfs\w{6}\/guestfsd\.sock)$/.exec(line) ?? [];
      if (path !== undefined && inodes.has(inode)) return dirname(path);
    }
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  return undefined;
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch (error) {
    // Closed since the listing.
    if (isGone(error)) return '';
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return hasErrno(error, 'ENOENT') || hasErrno(error, 'ESRCH');
}
