import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { GuestfsCallError, NativeHandle } from './native.ts';
import type { Reply, Request } from './protocol.ts';

/**
 * Entry of the process that holds libguestfs: a crash of the library or of a parser in it ends this process
 * and is an error for the worker, not its end. Calls block this process; the worker keeps the time limits.
 */
function send(reply: Reply): void {
  process.send?.(reply);
}

/**
 * libguestfs does not tell where it made its sockets; the kernel does: this process holds one bound there.
 * Format of /proc/net/unix: unix(7), proc(5); inode and path are the last two fields.
 */
function socketDirectory(): string | undefined {
  const inodes = new Set(
    readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]];
      } catch {
        // The descriptor of the listing itself is closed by now.
        return [];
      }
    }),
  );
  for (const line of readFileSync('/proc/self/net/unix', 'utf8').split('\n')) {
    const [, inode, path] = / (\d+) (\/.*\/libguestfs\w{6}\/guestfsd\.sock)$/.exec(line) ?? [];
    if (path !== undefined && inodes.has(inode)) return dirname(path);
  }
  return undefined;
}

const handle = new NativeHandle({
  console: (text) => send({ kind: 'console', text }),
  progress: (position, total) => send({ kind: 'progress', position, total }),
});

process.on('message', (request: Request) => {
  if (request.kind === 'close') {
    handle.close();
    process.exit(0);
  }
  try {
    const value = handle.call(request.name, request.args, request.options);
    if (request.name === 'launch') {
      const path = socketDirectory();
      if (path !== undefined) send({ kind: 'socket-directory', path });
    }
    send({ kind: 'result', value });
  } catch (error) {
    if (!(error instanceof GuestfsCallError)) throw error;
    send({ kind: 'error', message: error.message, errno: error.errno });
  }
});
// The worker closed the channel or is gone.
process.on('disconnect', () => process.exit(1));
send({ kind: 'ready' });
