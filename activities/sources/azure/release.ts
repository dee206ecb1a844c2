import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { connectAzure } from './connect.ts';
import { listLeftovers, removeLeftover } from './leftovers.ts';
import { isNoted, noteMade, readMade } from './made.ts';
import { startAgain } from './power.ts';
import type { FreezeRequest } from './snapshots.ts';

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
  const { resourceGroup } = source;
  io.report('removing the snapshots');
  const { snapshots, collection } = await readMade(work);
  const names = { snapshot: new Set(snapshots), 'restore point collection': new Set<string>() };
  if (collection !== undefined) names['restore point collection'].add(collection);
  for (const { kind, name, run: owner } of await listLeftovers(azure, compute, resourceGroup))
    if (owner.runId === run.runId) names[kind].add(name);
  const all = (['snapshot', 'restore point collection'] as const).flatMap((kind) =>
    [...names[kind]].map((name) => ({ kind, name, resourceGroup })),
  );
  await Promise.all(all.map((made) => removeLeftover(azure, compute, made, io.signal)));
  await noteMade(work, { snapshots: [], collection: undefined });
}
