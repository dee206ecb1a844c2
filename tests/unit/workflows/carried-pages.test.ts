import { describe, expect, it } from 'vitest';
import { type BatchInput, emptyCounts } from '../../../contracts/batch.ts';
import { BatchState } from '../../../workflows/batch/batch-state.ts';
import { packed } from '../../../workflows/batch/carried-pages.ts';

const input: BatchInput = {
  name: 'night',
  atOnce: 50,
  onFailure: { then: 'continue' },
  waves: [
    { name: 'pilot', approval: false },
    { name: 'rest', approval: false },
  ],
};

function stateOf(pages: number): BatchState {
  const state = new BatchState(input, () => new Date(0));
  for (let page = 1; page <= pages; page += 1) state.register({ page, wave: page % 2, vms: 50 });
  return state;
}

describe('what a batch carries over', () => {
  it('is the same after it, whether pages wait or have begun', () => {
    const state = stateOf(3);
    state.share();
    const counts = { ...emptyCounts(), waiting: 40, running: 3, parked: 1, completed: 4, failed: 2 };
    state.noteReport({ page: 2, counts, dataBytes: 12_345, ended: false });
    const { carried } = new BatchState({ ...input, carried: packed(state.carried) }, () => new Date(1));
    expect(carried).toEqual(state.carried);
    expect(carried.pages[1]).toMatchObject({ page: 2, allotted: 50, counts, dataBytes: 12_345 });
  });

  it('is understood as an older version carried it over', () => {
    const { carried } = stateOf(3);
    expect(new BatchState({ ...input, carried }, () => new Date(1)).carried).toEqual(carried);
  });

  it('is a small message for a hundred thousand VMs', () => {
    const state = stateOf(2_000);
    expect(state.counts().waiting).toBe(100_000);
    expect(JSON.stringify(packed(state.carried)).length).toBeLessThan(64 * 1024);
    expect(state.refusalToRegister({ page: 2_001, wave: 0, vms: 50 })).toBeUndefined();
  });
});
