import type { RestorePoint } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import { granting } from './access.ts';
import { nameFor, noteMade, tags, tagsOf } from './made.ts';
import { idKey, inGuestOrder, nameOf } from './resources.ts';
import {
  copyLimitMs,
  type FreezeRequest,
  type FrozenDisk,
  ifThere,
  notOurs,
  type SnapshotPlace,
} from './snapshots.ts';
import { operate, waitFor } from './wait.ts';

/** The only restore point of a collection of ours. */
const restorePointName = 'disks';

/**
 * All disks of a running VM as of one moment, as after a power cut: a restore point of a collection of the run's
 * own; https://learn.microsoft.com/azure/virtual-machines/virtual-machines-create-restore-points.
 */
export async function restorePointDisks(request: FreezeRequest): Promise<FrozenDisk[]> {
  const { source, run, work, io } = request;
  const collection = nameFor(run, source.vm, 'disks');
  await noteMade(work, { source, collection });
  io.report('taking a restore point of all disks');
  await makeCollection(request, collection);
  const point = await takeRestorePoint(request, collection);
  const disks = inGuestOrder(point.sourceMetadata?.storageProfile).map((disk, index) => {
    const id = disk?.diskRestorePoint?.id;
    if (id !== undefined) return { index, id, name: nameOf(id) };
    throw new LonghaulError('AZURE_FAILED', {
      found: `the restore point of ${source.vm} lacks disk ${index + 1}`,
      remedy: 'Retry, or stop the VM and migrate it stopped.',
    });
  });
  // Their names are made up by Azure, no two are the same.
  await noteMade(work, { frozen: disks.map(({ id, name }) => ({ name, id: idKey(id) })) });
  return sideBySide(disks, io, async (disk, own) => {
    await untilCopied({ ...request, io: own }, collection, disk.name);
    return frozenDisk(request, collection, disk);
  });
}

async function makeCollection(
  { azure, compute, source, run, vm }: FreezeRequest,
  collection: string,
): Promise<void> {
  const group = source.resourceGroup;
  const there = await azure
    .ask(`read the restore point collection ${collection}`, () =>
      compute.restorePointCollections.get(group, collection),
    )
    .catch(ifThere);
  if (there && there.tags?.[tags.run] !== run.runId) throw notOurs(`restore point collection ${collection}`);
  if (there) return;
  await azure.ask(`make the restore point collection ${collection}`, () =>
    compute.restorePointCollections.createOrUpdate(group, collection, {
      location: vm.location,
      tags: tagsOf(run),
      source: { id: vm.id },
    }),
  );
}

/** Takes it, or waits for one that an earlier attempt began. One that failed is deleted first. */
async function takeRestorePoint(request: FreezeRequest, collection: string): Promise<RestorePoint> {
  const { azure, compute, source, io } = request;
  const group = source.resourceGroup;
  const there = await settledPoint(request, collection);
  if (there?.provisioningState === 'Succeeded') return there;
  if (there)
    await operate(azure, 'delete the restore point that failed', io, (options) =>
      compute.restorePoints.delete(group, collection, restorePointName, options),
    );
  await operate(azure, `take a restore point of ${source.vm}`, io, (options) =>
    compute.restorePoints.create(
      group,
      collection,
      restorePointName,
      { consistencyMode: 'CrashConsistent' },
      options,
    ),
  );
  const point = await settledPoint(request, collection);
  if (point?.provisioningState === 'Succeeded') return point;
  throw new LonghaulError('AZURE_FAILED', {
    found: `the restore point of ${source.vm} failed: ${point?.provisioningState ?? 'it is gone'}`,
    remedy: 'Retry: it is taken anew.',
  });
}

/** As Azure shows it, when Azure is neither making nor deleting it. */
function settledPoint(place: SnapshotPlace, collection: string): Promise<RestorePoint | undefined> {
  return waitFor(
    {
      what: 'the restore point to be made',
      look: () => readPoint(place, collection),
      isOver: (seen) =>
        seen === undefined || ['Succeeded', 'Failed', 'Canceled'].includes(seen.provisioningState ?? ''),
      progress: (seen) => seen?.provisioningState ?? 'Azure does not say its state',
    },
    place.io,
  );
}

function readPoint(
  { azure, compute, source }: SnapshotPlace,
  collection: string,
): Promise<RestorePoint | undefined> {
  return azure
    .ask('read the restore point', () =>
      compute.restorePoints.get(source.resourceGroup, collection, restorePointName),
    )
    .catch(ifThere);
}

/** Disks of some kinds can be read when their copy in the background is done. */
async function untilCopied(
  { azure, compute, source, io }: FreezeRequest,
  collection: string,
  name: string,
): Promise<void> {
  await waitFor(
    {
      what: `the restore point ${name}`,
      look: () =>
        azure.ask(`read the restore point ${name}`, () =>
          compute.diskRestorePoint.get(source.resourceGroup, collection, restorePointName, name, {
            abortSignal: io.signal,
          }),
        ),
      isOver: ({ completionPercent = 100 }) => completionPercent >= 100,
      progress: ({ completionPercent = 0 }) => `${completionPercent} %`,
      limitMs: copyLimitMs,
    },
    io,
  );
}

function frozenDisk(
  { azure, compute, source, io }: FreezeRequest,
  collection: string,
  { index, id, name }: { index: number; id: string; name: string },
): FrozenDisk {
  const what = `restore point ${name}`;
  const path = [source.resourceGroup, collection, restorePointName, name] as const;
  return {
    index,
    id: idKey(id),
    name: `disk ${index + 1} of ${source.vm} (${what})`,
    grant: granting(
      {
        what,
        grant: (durationInSeconds, own) =>
          operate(azure, `give access to the ${what}`, own, (options) =>
            compute.diskRestorePoint.grantAccess(...path, { access: 'Read', durationInSeconds }, options),
          ),
        revoke: (own) =>
          operate(azure, `revoke access to the ${what}`, own, (options) =>
            compute.diskRestorePoint.revokeAccess(...path, options),
          ),
      },
      io,
    ),
  };
}

/** Removes a collection with what is in it, all access first. One that is not there is no error. */
export async function deleteCollection(place: SnapshotPlace, collection: string): Promise<void> {
  const { azure, compute, source, io } = place;
  const group = source.resourceGroup;
  const point = await readPoint(place, collection);
  for (const disk of inGuestOrder(point?.sourceMetadata?.storageProfile)) {
    const id = disk?.diskRestorePoint?.id;
    if (id === undefined) continue;
    await operate(azure, `revoke access to the restore point ${nameOf(id)}`, io, (options) =>
      compute.diskRestorePoint.revokeAccess(group, collection, restorePointName, nameOf(id), options),
    ).catch(ifThere);
  }
  await operate(azure, `delete the restore point collection ${collection}`, io, (options) =>
    compute.restorePointCollections.delete(group, collection, options),
  ).catch(ifThere);
}
