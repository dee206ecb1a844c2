import type { Snapshot } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import { noteMade, readMade } from './made.ts';
import { isRunning, isSwitchedOff, stopVm } from './power.ts';
import { deleteMade } from './release.ts';
import { restorePointDisks } from './restore-point.ts';
import {
  deleteSnapshot,
  type FreezeRequest,
  type FrozenDisk,
  hasFailed,
  identityOf,
  readSnapshot,
  takeSnapshots,
  untilReadable,
} from './snapshots.ts';

/**
 * All disks as of one moment, of a VM that runs or does not, as the spec wants it. Once that moment is there it is
 * kept to: what becomes of the VM afterwards does not matter.
 */
export async function freezeDisks(request: FreezeRequest): Promise<FrozenDisk[]> {
  const { source, work } = request;
  const { collection } = await readMade(work);
  if (collection !== undefined) return restorePointDisks(request);
  const frozen = await frozenBefore(request);
  if (frozen) return untilReadable(request, frozen);
  const running = await isRunning(request);
  if (running && source.whenRunning === 'snapshot') return restorePointDisks(request);
  if (running && source.whenRunning === 'refuse')
    throw new LonghaulError('SOURCE_RUNNING', {
      found: `${source.vm} is running, and source.whenRunning is "refuse"`,
      remedy:
        'Stop it, or set source.whenRunning to "stop" (stopped for the migration) or "snapshot" (its disks as of one moment).',
    });
  if (running) await stopVm(request, work);
  return untilReadable(request, await snapshotsOfOneStop(request));
}

/** The snapshots of an earlier attempt, when all of them are still those that were seen to be of one moment. */
async function frozenBefore(request: FreezeRequest): Promise<Snapshot[] | undefined> {
  const { work, io } = request;
  const { frozen } = await readMade(work);
  if (frozen === undefined) return undefined;
  const found = await sideBySide(frozen, io, ({ name }, own) => readSnapshot({ ...request, io: own }, name));
  const same = found.filter(
    (snapshot, index) => snapshot && !hasFailed(snapshot) && identityOf(snapshot) === frozen[index]?.id,
  );
  return same.length === frozen.length ? same.filter((snapshot) => snapshot !== undefined) : undefined;
}

/** What an earlier attempt left may be of before the VM ran again: it goes. */
async function snapshotsOfOneStop(request: FreezeRequest): Promise<Snapshot[]> {
  const { source, work, io } = request;
  const { snapshots: earlier } = await readMade(work);
  await noteMade(work, { frozen: undefined });
  await sideBySide(earlier, io, (name, own) => deleteSnapshot({ ...request, io: own }, name));
  const snapshots = await takeSnapshots(request);
  if (!(await isSwitchedOff(request))) {
    // One disk may be older than the other: better none than these.
    await deleteMade(request);
    throw new LonghaulError('SOURCE_CHANGED', {
      found: `${source.vm} was started while snapshots of its disks were taken`,
      remedy: 'Stop it, or have it stopped (source.whenRunning), then retry.',
    });
  }
  await noteMade(work, {
    frozen: snapshots.map((snapshot) => ({ name: snapshot.name ?? '', id: identityOf(snapshot) })),
  });
  return snapshots;
}
