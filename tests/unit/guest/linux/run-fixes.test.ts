import { expect, it } from 'vitest';
import type { Fix, FixContext } from '../../../../activities/guest/linux/fix.ts';
import { leftoverFix } from '../../../../activities/guest/linux/leftovers/software.ts';
import { runFixes } from '../../../../activities/guest/linux/run-fixes.ts';
import { quietIo } from '../../../support/guest-trees.ts';
import { filesGuest } from '../../../support/files-guest.ts';

it('a fix learns when programs of the guest ran for those before it, and people are not told', async () => {
  const seen: FixContext['earlier'][] = [];
  const removal = leftoverFix('tools', 'Remove the tools', [
    { name: 'Tools', signs: ['/usr/bin/tools'], services: [] },
  ]);
  const last: Fix = {
    ...removal,
    id: 'last',
    plan: ({ earlier }) => {
      seen.push(earlier);
      return Promise.resolve({ changes: [], warnings: [] });
    },
  };
  const rpm = (argv: readonly string[]) => (argv.includes('-e') ? '' : 'tools\n');
  const { guest } = filesGuest({ '/usr/bin/tools': '', '/var/lib/rpm/rpmdb.sqlite': '' }, rpm);
  const context = { guest, facts: { os: 'linux' }, ...quietIo() };
  const before = Date.now();
  const [outcome] = await runFixes([removal, last], context as unknown as FixContext, 'apply');
  expect(outcome?.changes).toEqual([{ path: '/var/lib/rpm', what: 'Tools is removed by rpm: tools.' }]);
  expect(seen.flat()).toEqual([{ ...outcome?.changes[0], ranProgramsAt: expect.any(Number) as number }]);
  expect(seen.flat()[0]?.ranProgramsAt).toBeGreaterThanOrEqual(before);
});
