import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import type { MigrationSpecInput } from '../../../contracts/spec.ts';
import { alpine, debian, rhel8, ubuntu, xenSles, type SystemTree } from './fixes-trees.ts';
import { azure, ec2, leftoverTrees, rhel9, virtualbox, vmwareTarball } from './leftovers-trees.ts';
import { told, TreeBench } from './tree-bench.ts';

/** What every fix promises, for every fix there is and every tree. */

const systems: Record<string, SystemTree> = {
  ...{ debian, rhel8, ubuntu, xenSles, alpine },
  ...{ vmwareTarball, virtualbox, azure, ec2, rhel9 },
};
/** What a migration must never change; those a tree does not have must not come into being. */
const identity = ['/etc/machine-id', '/etc/shadow', '/etc/ssh/ssh_host_ed25519_key'];
const options: MigrationSpecInput['guest'] = { hostname: 'new.example.org' };

let bench: TreeBench;
beforeAll(async () => {
  bench = await TreeBench.start([debian, rhel8, ubuntu, xenSles, alpine], leftoverTrees);
});
afterAll(() => bench.close());

async function identityOf(): Promise<string[]> {
  const seen: string[] = [];
  for (const path of identity) {
    const content = (await bench.guest.isFile(path))
      ? await bench.guest.readFile(path)
      : Buffer.from('absent');
    seen.push(`${path} ${createHash('sha256').update(content).digest('hex')}`);
  }
  return seen;
}

describe.each(linuxFixes.map((fix) => [fix.id, fix] as const))('the fix %s', (_id, fix) => {
  it.each(Object.entries(systems))(
    'does on %s what it planned, leaves nothing to do and the identity of the guest alone',
    async (_name, tree) => {
      const context = await bench.open(tree, options, 'old');
      const before = await identityOf();
      const planned = await runFixes([fix], context, 'plan');
      const done = await runFixes([fix], context, 'apply');
      const left = await runFixes([fix], context, 'plan');

      const correctedTo = /could not be (removed|installed)/;
      const asPlanned = told(done).map((outcome) => ({
        ...outcome,
        changes: outcome.changes.filter((change) => !correctedTo.test(change)),
      }));
      for (const [index, outcome] of asPlanned.entries()) {
        const plan = told(planned)[index];
        expect(plan?.warnings).toEqual(outcome.warnings);
        expect(plan?.changes).toEqual(expect.arrayContaining(outcome.changes));
        expect(plan?.changes.length).toBe(done[index]?.changes.length);
      }
      // A fix that broke off is no fix that had nothing to do.
      expect(told(done).flatMap(({ warnings }) => warnings)).not.toContainEqual(
        expect.stringContaining('left unfinished'),
      );
      expect(left.flatMap(({ changes }) => changes)).toEqual([]);
      expect(await identityOf()).toEqual(before);
    },
  );
});
