import { eachOfAll, oneByOne } from '../../host/side-by-side.ts';
import type { ReleaseWishes } from '../../../contracts/steps.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { connectAzure } from './connect.ts';
import { type Leftover, leftoverKinds, listLeftovers, removeLeftover } from './leftovers.ts';
import { isNoted, noteMade, readMade } from './made.ts';
import { startAgain } from './power.ts';
import type { ReleaseRequest } from './snapshots.ts';

/**
 * Starts the VM again, when `restart` and this run stopped it, or one before it: access to snapshots does not stand in the way. And
 * takes all access back and removes what the run made. Whatever of that fails, the rest is done.
 */
export async function releaseVm(
  request: SourceRequest<'azure'>,
  work: WorkDir,
  { restart, stoppedBefore = false, handedOver = false }: ReleaseWishes,
  deps: SourceDeps,
  io: StepIo,
): Promise<void> {
  const { source, run } = request;
  if (!stoppedBefore && !(await isNoted(work))) return;
  const azure = await connectAzure(source, deps, io);
  const compute = await azure.compute(source.subscription);
  await oneByOne([
    async () => {
      if (restart) await startAgain({ azure, compute, source, io }, work, { stoppedBefore });
      if (handedOver) await noteMade(work, { stopped: false });
    },
    () => deleteMade({ azure, compute, source, run, work, io }),
  ]);
}

/**
 * The same for a run that has ended and did not do it, by what it noted.
 *
 * @returns whether there was anything to do
 */
export async function releaseAbandonedVm(
  work: WorkDir,
  { givenUp }: { givenUp: boolean },
  deps: SourceDeps,
  io: StepIo,
): Promise<boolean> {
  const { source, snapshots, collection, stopped } = await readMade(work);
  if (source === undefined) return false;
  const restart = stopped && givenUp && source.restart !== 'never';
  if (snapshots.length === 0 && collection === undefined && !restart) return false;
  await releaseVm({ name: source.vm, source, run: work.run }, work, { restart }, deps, io);
  return true;
}

/**
 * Removes snapshots and restore points of the run: what was noted, then what is found by its tags, since a call that
 * was cut off may have made something all the same.
 */
export async function deleteMade(request: ReleaseRequest): Promise<void> {
  const { azure, compute, source, run, work, io } = request;
  const { resourceGroup } = source;
  io.report('removing the snapshots');
  const { snapshots, collection } = await readMade(work);
  const noted: Pick<Leftover, 'kind' | 'name'>[] = [
    ...snapshots.map((name) => ({ kind: 'snapshot' as const, name })),
    ...(collection === undefined ? [] : [{ kind: 'restore point collection' as const, name: collection }]),
  ];
  const remove = (made: Pick<Leftover, 'kind' | 'name'>) =>
    removeLeftover({ ...made, resourceGroup }, { azure, compute, io });
  await oneByOne([
    () => eachOfAll(noted, remove),
    () =>
      eachOfAll(leftoverKinds, async (kind) => {
        const found = await listLeftovers(kind, { azure, compute, group: resourceGroup });
        const own = found.filter(({ run: owner }) => owner.runId === run.runId);
        await eachOfAll(own, remove);
      }),
  ]);
  await noteMade(work, { snapshots: [], collection: undefined });
}
