import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { connectAzure } from './connect.ts';
import { isNoted, noteMade, readMade, tags } from './made.ts';
import { startAgain } from './power.ts';
import { deleteCollection } from './restore-point.ts';
import { deleteSnapshot, type FreezeRequest } from './snapshots.ts';

/**
 * Takes all access back and removes what the run made, found by what was noted and by its tags: a call that was
 * cut off may have made something all the same. Then starts the VM again, when `restart` and this run stopped it.
 */
export async function releaseVm(
  request: SourceRequest<'azure'>,
  work: WorkDir,
  { restart }: { restart: boolean },
  deps: SourceDeps,
  io: StepIo,
): Promise<void> {
  const { source, run } = request;
  if (!(await isNoted(work))) return;
  const azure = await connectAzure(source, deps, io);
  const compute = await azure.compute(source.subscription);
  await deleteMade({ azure, compute, source, run, work, io });
  if (restart) await startAgain(azure, compute, source, work, io);
}

/** Removes snapshots and restore points of the run. */
export async function deleteMade(request: Omit<FreezeRequest, 'vm'>): Promise<void> {
  const { azure, compute, source, run, work, io } = request;
  const group = source.resourceGroup;
  io.report('removing the snapshots');
  const noted = await readMade(work);
  const tagged = async (what: string, resources: AsyncIterable<Tagged>) =>
    azure.ask(`list the ${what} of ${group}`, async () => {
      const names: string[] = [];
      for await (const { name, tags: its } of resources)
        if (its?.[tags.run] === run.runId && name !== undefined) names.push(name);
      return names;
    });
  const snapshots = await tagged('snapshots', compute.snapshots.listByResourceGroup(group));
  const collections = await tagged('restore point collections', compute.restorePointCollections.list(group));
  const all = <T>(names: readonly T[], more: readonly T[]) => [...new Set([...names, ...more])];
  await Promise.all(
    all(noted.snapshots, snapshots).map((name) => deleteSnapshot(azure, compute, group, name, io.signal)),
  );
  for (const name of all(noted.collection === undefined ? [] : [noted.collection], collections))
    await deleteCollection(azure, compute, group, name, io.signal);
  await noteMade(work, { snapshots: [], collection: undefined });
}

interface Tagged {
  name?: string;
  tags?: Record<string, string>;
}
