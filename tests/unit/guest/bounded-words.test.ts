import { describe, expect, it } from 'vitest';
import { boundedFacts, boundedOutcomes } from '../../../activities/guest/bounded-words.ts';
import { editFstab } from '../../../activities/guest/linux/fstab-text.ts';
import type { FixOutcome, GuestFacts } from '../../../contracts/values.ts';

const facts: GuestFacts = {
  os: 'linux',
  firmware: 'bios',
  mountpoints: [],
  kernels: [],
  warnings: [],
  timings: { launchSeconds: 0, inspectSeconds: 0 },
};
const outcome: FixOutcome = {
  fix: 'fstab',
  title: 'Name file systems',
  changes: [],
  warnings: [],
  seconds: 0,
};
/** A fourth of what one step may put into workflow history. */
const aLot = 500_000;

describe('what is said of a guest', () => {
  it('stays small when a guest has a hostile fstab', () => {
    const fstab = Array.from({ length: 40_000 }, (_, line) => `/dev/sdx${line} /${line} ext4 defaults 0 0`);
    const { warnings } = editFstab(fstab.join('\n'), { diskCount: 1, volumes: [] });
    const [bounded] = boundedOutcomes([{ ...outcome, warnings }]);
    expect(warnings.length).toBeGreaterThan(1000);
    expect(JSON.stringify(bounded).length).toBeLessThan(aLot);
    expect(bounded?.warnings.at(-1)).toMatch(/^And \d+ more warnings like these\.$/);
  });

  it('stays small when thousands of files are changed by much', () => {
    const changes = Array.from({ length: 5000 }, (_, index) => ({
      path: `/boot/loader/entries/${index}.conf`,
      what: 'The kernel finds its root device by UUID.',
      before: 'x'.repeat(5000),
      after: 'y'.repeat(5000),
    }));
    const [bounded] = boundedOutcomes([{ ...outcome, changes }]);
    expect(JSON.stringify(bounded).length).toBeLessThan(2 * aLot);
    expect(bounded?.warnings).toEqual(['4800 more changes are not listed here.']);
  });

  it('is left as it is when it is short, but says nothing twice', () => {
    const change = { path: '/etc/fstab', what: 'Named by UUID.', before: 'a', after: 'b' };
    expect(boundedOutcomes([{ ...outcome, changes: [change], warnings: ['One.', 'Two.', 'One.'] }])).toEqual([
      { ...outcome, changes: [change], warnings: ['One.', 'Two.'] },
    ]);
    expect(boundedFacts({ ...facts, warnings: ['One.'] })).toEqual({ ...facts, warnings: ['One.'] });
  });
});
