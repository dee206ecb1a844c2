import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StepsAtWork } from '../../../workers/steps-at-work.ts';

const run = (runId: string) => ({ migrationId: 'm', runId });

/** A step that takes a moment to end when it is told to. */
async function step(signal: AbortSignal, ended: string[], name: string): Promise<void> {
  await sleep(10_000, undefined, { signal }).catch(() => undefined);
  await sleep(20);
  ended.push(name);
  signal.throwIfAborted();
}

describe('steps at work when their run is undone', () => {
  it('are stopped and waited for, and those of other runs are not', async () => {
    const atWork = new StepsAtWork();
    const ended: string[] = [];
    const own = ['a', 'b'].map((name) => atWork.run(run('1'), (signal) => step(signal, ended, name)));
    const other = atWork.run(run('1.2'), (signal) => step(signal, ended, 'other'));
    const outcomes = Promise.allSettled(own);
    await atWork.stop(run('1'));
    expect(ended).toEqual(['a', 'b']);
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await atWork.stop(run('1'));
    void other.catch(() => undefined);
    await atWork.stop(run('1.2'));
    expect(ended).toEqual(['a', 'b', 'other']);
  });

  it('give what they give when nobody stops them', async () => {
    const atWork = new StepsAtWork();
    expect(await atWork.run(run('1'), () => Promise.resolve('a disk'))).toBe('a disk');
  });
});
