import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sideBySide } from '../../../activities/host/side-by-side.ts';
import { testIo } from '../../support/io.ts';

describe('work side by side', () => {
  it('gives results in the order of the items, and does so many at once', async () => {
    let [now, most] = [0, 0];
    const each = async (item: number) => {
      most = Math.max(most, (now += 1));
      await sleep(20 - item);
      now -= 1;
      return item * 2;
    };
    expect(await sideBySide([1, 2, 3, 4, 5, 6, 7], testIo(), each, 3)).toEqual([2, 4, 6, 8, 10, 12, 14]);
    expect(most).toBe(3);
    await sideBySide([1, 2, 3, 4, 5, 6, 7], testIo(), each);
    expect(most).toBe(7);
  });

  it('stops the others when one fails, begins no more, and fails with its reason', async () => {
    const begun: number[] = [];
    const stopped: number[] = [];
    const work = sideBySide(
      [1, 2, 3, 4],
      testIo(),
      async (item, io) => {
        begun.push(item);
        if (item === 1) throw new Error('the first');
        await sleep(10_000, undefined, { signal: io.signal }).catch((error: unknown) => {
          stopped.push(item);
          throw error;
        });
      },
      2,
    );
    await expect(work).rejects.toThrow('the first');
    expect([begun, stopped]).toEqual([[1, 2], [2]]);
  });
});
