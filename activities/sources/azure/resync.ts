import { LonghaulError } from '../../../contracts/errors.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import { eachOfAll, sideBySide } from '../../host/side-by-side.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { fetchedDisk } from '../../transfer/fetched-disk.ts';
import { patchDisk, stateOf } from '../../transfer/patched-disk.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { fetchOptions, freezeRequest, opened } from './acquire.ts';
import { noteMade, readMade } from './made.ts';
import { openDifference } from './snapshot-source.ts';
import { deleteSnapshot, frozenDisk, readSnapshot, snapshotDisks, snapshotNames } from './snapshots.ts';

/**
 * Brings disks that were fetched up to date: new snapshots, and of those only what is different from the ones
 * before, which then go. The step that a warm migration repeats while its VM runs; disks of a running VM are
 * then not of one moment, and only what is fetched after it was stopped is a VM that boots.
 *
 * @param round counts from 1; `acquire` is round 0. Called again with the same one, it carries on.
 * @throws LonghaulError SOURCE_CHANGED when the disks here are not those of the round before.
 */
export async function resyncDisks(
  request: SourceRequest<'azure'>,
  work: WorkDir,
  round: number,
  deps: SourceDeps,
  io: StepIo,
): Promise<AcquiredDisk[]> {
  const frozen = await freezeRequest(request, work, deps, io);
  const { source } = frozen;
  const now = await snapshotDisks(frozen, round);
  const before = snapshotNames(frozen, round - 1);
  const options = fetchOptions(request, deps);
  const disks = await sideBySide(now, io, async (disk, own) => {
    const known = await fetchedDisk(work, disk.index);
    if (known && known.transfer.identity === disk.id) return known;
    const name = before[disk.index] ?? '';
    const snapshot = await readSnapshot({ ...frozen, io: own }, name);
    const earlier = snapshot && frozenDisk(frozen, disk.index, snapshot);
    const state = await stateOf(work, disk.index);
    if (earlier === undefined || state !== earlier.id)
      throw new LonghaulError('SOURCE_CHANGED', {
        found: `disk ${disk.index + 1} of ${source.vm} is not here as of the snapshot ${name}`,
        remedy: 'Fetch the disks whole: start the migration again.',
      });
    return patchDisk({
      ...options,
      work,
      index: disk.index,
      name: disk.name,
      identity: disk.id,
      before: state,
      open: () => openDifference(disk, earlier, deps.transfer.dispatcher, own.signal),
      io: own,
    });
  });
  const { snapshots } = await readMade(work);
  const names = snapshotNames(frozen, round);
  await noteMade(work, { frozen: now.map(({ id, index }) => ({ name: names[index] ?? '', id })) });
  await eachOfAll(before, (name) => deleteSnapshot(frozen, name));
  await noteMade(work, { snapshots: snapshots.filter((name) => !before.includes(name)) });
  return opened(disks, io);
}
