import { expect, it } from 'vitest';
import type { AcquiredDisk, TargetDisk } from '../../../contracts/values.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import { PageState } from '../../../workflows/batch/page-state.ts';

const spec = migrationSpec.parse({
  name: 'web01',
  source: { kind: 'image', disks: ['https://images.example.com/web01.qcow2'] },
  target: {},
});
const page = () => {
  const state = new PageState({ page: 1, wave: 'all', vms: [{ migrationId: 'm', spec }] }, () => 'now');
  state.allotted = 1;
  state.next();
  return state;
};
const target = { dataBytes: 100, virtualSizeBytes: 1000 } as TargetDisk;
const acquired = (fetchedBytes: number) => ({ transfer: { dataBytes: 100, fetchedBytes } }) as AcquiredDisk;

it('a page takes VMs over only as long as some wait in it: the places of others may be given away', () => {
  const vmsOf = (ids: string[]) => ids.map((migrationId) => ({ migrationId, spec }));
  const state = new PageState({ page: 1, wave: 'all', vms: vmsOf(['a', 'b']) }, () => 'now');
  state.allotted = 1;
  expect(state.next()?.migrationId).toBe('a');
  const late = { migrationId: 'c', spec };
  expect(state.refusalToAdopt(late)).toBeUndefined();
  state.allotted = 2;
  expect(state.next()?.migrationId).toBe('b');
  expect(state.refusalToAdopt(late)).toBe('the page has none that waits');
});

it('a page tells of a VM how much did not have to be fetched twice, after an interruption only', () => {
  const ended = (fetchedBytes: number) => {
    const state = page();
    state.noteEnd('m', {
      status: 'completed',
      hostId: 'kvm1',
      disks: [target],
      acquired: [acquired(fetchedBytes)],
    });
    return state.view().vms[0];
  };
  expect(ended(40)).toMatchObject({
    status: 'completed',
    dataBytes: 100,
    virtualBytes: 1000,
    resumedBytes: 60,
  });
  expect(ended(100)).not.toHaveProperty('resumedBytes');
});
