import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import koffi from 'koffi';
import { LonghaulError } from '../../contracts/errors.ts';
import { pause } from './pause.ts';

const exclusiveNonBlocking = 2 | 4; // LOCK_EX | LOCK_NB, flock(2)
const wouldBlock = 11; // EAGAIN
const pollMs = 200;
const defaultWaitMs = 60_000;

let flock: ((fd: number, operation: number) => number) | undefined;

/** flock(2); Node has no call for it. The kernel drops the lock with the process, however it ends. */
function tryLock(fd: number): boolean {
  flock ??= koffi.load('libc.so.6').func('int flock(int fd, int operation)') as unknown as typeof flock;
  if (flock?.(fd, exclusiveNonBlocking) === 0) return true;
  const errno = koffi.errno();
  if (errno === wouldBlock) return false;
  throw new LonghaulError('HOST_IO', {
    found: `flock failed with errno ${errno}`,
    remedy: "See whether the state directory's file system supports locks (local ones do).",
  });
}

/**
 * Runs `fn` while this process holds the lock file `path`, which is made when missing and stays. It keeps a
 * second attempt at the same work out, one in another process on this host included.
 *
 * @throws LonghaulError WORK_LOCKED when the lock is not free within `waitMs`; on abort, the signal's reason.
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal,
  fn: () => Promise<T>,
  waitMs = defaultWaitMs,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const deadline = performance.now() + waitMs;
    while (!tryLock(handle.fd)) {
      signal.throwIfAborted();
      if (performance.now() >= deadline)
        throw new LonghaulError('WORK_LOCKED', {
          found: `${path} is held by another process`,
          remedy:
            'Another attempt at this step still runs on this host. It ends by itself; the step is tried again.',
          details: { path },
        });
      await pause(pollMs, signal);
    }
    // It may have waited long for the lock, and be nobody's any more.
    signal.throwIfAborted();
    return await fn();
  } finally {
    await handle.close();
  }
}
