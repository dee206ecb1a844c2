import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { withFileLock } from '../../../activities/host/file-lock.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const never = new AbortController().signal;

describe('a file lock', () => {
  it('lets one in at a time', async () => {
    const path = join(scratchDirectory(), 'locks', 'a');
    let inside = 0;
    let most = 0;
    const work = () =>
      withFileLock(path, never, async () => {
        most = Math.max(most, ++inside);
        await sleep(20);
        inside -= 1;
      });
    await Promise.all([work(), work()]);
    expect(most).toBe(1);
  });

  it('gives up after a while', async () => {
    const path = join(scratchDirectory(), 'a');
    await withFileLock(path, never, async () => {
      await expect(withFileLock(path, never, () => Promise.resolve(), 10)).rejects.toMatchObject({
        code: 'WORK_LOCKED',
        retryable: true,
      });
    });
  });

  it('stops waiting when the work is cancelled', async () => {
    const path = join(scratchDirectory(), 'a');
    const controller = new AbortController();
    await withFileLock(path, never, async () => {
      setTimeout(() => controller.abort(new Error('cancelled')), 10);
      await expect(withFileLock(path, controller.signal, () => Promise.resolve())).rejects.toThrow(
        'cancelled',
      );
    });
  });

  it('does not begin work that was cancelled meanwhile', async () => {
    const path = join(scratchDirectory(), 'a');
    const cancelled = AbortSignal.abort(new Error('cancelled'));
    await expect(withFileLock(path, cancelled, () => Promise.resolve('begun'))).rejects.toThrow('cancelled');
  });

  it('is free again after a failure', async () => {
    const path = join(scratchDirectory(), 'a');
    await expect(withFileLock(path, never, () => Promise.reject(new Error('broken')))).rejects.toThrow(
      'broken',
    );
    expect(await withFileLock(path, never, () => Promise.resolve('in'), 0)).toBe('in');
  });
});
