import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { connectAzure } from './connect.ts';
import { noteMade, readMade, tags } from './made.ts';
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
  const tagged = await azure.ask(`list the snapshots of ${group}`, async () => {
    const names: string[] = [];
    for await (const snapshot of compute.snapshots.listByResourceGroup(group))
      if (snapshot.tags?.[tags.run] === run.runId && snapshot.name !== undefined) names.push(snapshot.name);
    return names;
  });
  await Promise.all(
    [...new Set([...noted.snapshots, ...tagged])].map((name) =>
      deleteSnapshot(azure, compute, group, name, io.signal),
    ),
  );
  if (noted.collection !== undefined)
    await deleteCollection(azure, compute, group, noted.collection, io.signal);
  const { collection: _, ...left } = noted;
  await noteMade(work, { ...left, snapshots: [] });
}
