import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectGuest } from '../../../activities/guest/inspector.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { unlockContainers } from '../../../activities/guest/luks-handler.ts';
import { makeWritable, type MountedGuest } from '../../../activities/guest/mount-manager.ts';
import { fixOffline, planOffline } from '../../../activities/guest/offline-fixer.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome, GuestFacts } from '../../../contracts/values.ts';
import { quietIo } from '../../support/guest-trees.ts';
import { hostileFiles, hostileText, nonsenseIn } from '../../support/hostile-texts.ts';
import { treeDisk } from '../../trees/disk.ts';
import { entriesOf } from '../../trees/files.ts';
import { changesOf, goldenText, refusalText } from '../../trees/golden.ts';
import { readTree, treeNames, treesDirectory, type Tree } from '../../trees/tree.ts';
import { onlyDisk } from '../../trees/view.ts';

/**
 * Guests of other distributions, from their disks on, all in one appliance. What is seen and done is compared
 * with tests/trees/NAME/after.txt; `npm run trees:update` writes those files anew, for review by diff.
 */
const names = await treeNames();
const dir = mkdtempSync(join(tmpdir(), 'trees-'));
let session: GuestSession;
let disks: string[];

beforeAll(async () => {
  disks = [];
  for (const name of names) disks.push(await treeDisk(name));
  session = await openSession({
    disks: disks.map((path) => ({ path, format: 'raw' })),
    accelerator: 'tcg',
    // Changes stay in the appliance's own overlays.
    readOnly: true,
    io: quietIo(),
    tmpDir: dir,
  });
}, 30 * 60_000);
afterAll(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

const said = (outcomes: FixOutcome[]) =>
  outcomes
    // Done when the guest is written to, and never planned.
    .filter(({ fix }) => fix !== 'check' && fix !== 'trim')
    .map(({ fix, changes, warnings }) => ({
      fix,
      // What is shown of a file that two fixes edit differs: a plan does not see the first one's edit.
      changes: changes.map(({ path, what }) => `${path}: ${what}`),
      warnings,
    }));

/** A tree's disk as the only one, and a migration's view of it. */
async function open(name: string) {
  const tree = readTree(name);
  const [disk = ''] = (await session.listDevices()).slice(names.indexOf(name));
  const io = quietIo();
  const groups = tree.partitions.flatMap(({ group }) => (group === undefined ? [] : [group]));
  const { guest, named } = onlyDisk(session, disk, groups);
  await guest.umountAll();
  const unlocked = await unlockContainers(guest, [], () => Promise.reject(new Error('no secret is needed')));
  const spec = migrationSpec.parse({ name: 'vm', source: { kind: 'image', disks: ['/vm.raw'] } });
  const vm = { name: 'vm', nics: tree.nics.map((mac) => ({ mac, network: 'default' })) };
  const inspect = async () => {
    const { facts, mounted } = await inspectGuest({
      guest,
      launchSeconds: 0,
      unlocked,
      scratchDir: dir,
      ...io,
    });
    if (mounted === undefined) throw new Error('no system was found');
    return { mounted, context: { guest, facts, vm, options: spec.guest, scratchDir: dir, ...io } };
  };
  return { tree, guest, named, inspect };
}

describe('a guest of another distribution', () => {
  it.each(names)('%s is seen and fixed as its golden listing says, once', async (name) => {
    const { tree, guest, named, inspect } = await open(name);
    const golden = join(treesDirectory, name, 'after.txt');
    let facts: GuestFacts | undefined;
    let outcomes: FixOutcome[];
    try {
      const { context, mounted } = await inspect();
      ({ facts } = context);
      outcomes = await fixOfflineAsPlanned(context, mounted);
    } catch (error) {
      if (!(error instanceof LonghaulError)) throw error;
      await expect(refusalText(facts, error)).toMatchFileSnapshot(golden);
      return;
    }
    const again = await inspect();
    const changes = await changesOf(guest, entriesOf(tree), [...named], fatMountsOf(tree));
    await expect(goldenText(facts, outcomes, changes)).toMatchFileSnapshot(golden);
    const left = await planOffline({ fixes: linuxFixes, context: again.context });
    expect(left.flatMap(({ changes: more }) => more)).toEqual([]);
  });
});

const fatMountsOf = ({ partitions }: Tree) =>
  partitions.flatMap(({ fs, at }) => (fs === 'vfat' && at !== undefined ? [at] : []));

/** Plans, then applies: both say the same. */
async function fixOfflineAsPlanned(
  context: Parameters<typeof planOffline>[0]['context'],
  mounted: MountedGuest,
): Promise<FixOutcome[]> {
  const planned = await planOffline({ fixes: linuxFixes, context });
  const outcomes = await fixOffline({ fixes: linuxFixes, mounted, context });
  expect(said(outcomes)).toEqual(said(planned));
  return outcomes;
}

describe('a guest whose files are broken', () => {
  const name = 'debian-11-xen';
  const paths = Object.keys(hostileFiles);

  it.each([1, 2, 3])(
    'is fixed once as far as they are understood, and what means nothing stays (seed %i)',
    async (seed) => {
      const { guest, inspect } = await open(name);
      const { mounted } = await inspect();
      await makeWritable(guest, mounted);
      const written = new Map<string, string>();
      for (const path of paths) {
        const [text = ''] = fc.sample(hostileText(hostileFiles[path] ?? []), { seed, numRuns: 1 });
        await guest.mkdirP(path.slice(0, path.lastIndexOf('/')));
        await guest.replaceFile(path, text);
        written.set(path, text);
      }
      await guest.umountAll();

      const broken = await inspect();
      await fixOfflineAsPlanned(broken.context, broken.mounted);
      const again = await inspect();
      for (const [path, text] of written) {
        const now = (await guest.readFile(path)).toString();
        expect(nonsenseIn(now), path).toEqual(nonsenseIn(text));
      }
      const left = await planOffline({ fixes: linuxFixes, context: again.context });
      expect(left.flatMap(({ changes }) => changes)).toEqual([]);
    },
  );
});
