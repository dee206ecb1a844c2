import type { ComputeManagementClient } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import { pause } from '../../host/pause.ts';
import type { AzureConnection } from './connect.ts';
import { nameFor, noteMade, tags, tagsOf } from './made.ts';
import { inGuestOrder, nameOf } from './resources.ts';
import { type FreezeRequest, type FrozenDisk, granting, ifThere, notOurs, pollMs } from './snapshots.ts';

/** The only restore point of a collection of ours. */
const restorePointName = 'disks';

/**
 * All disks of a running VM as of one moment, as after a power cut: a restore point of a collection of the run's
 * own; https://learn.microsoft.com/azure/virtual-machines/virtual-machines-create-restore-points.
 */
export async function restorePointDisks(request: FreezeRequest): Promise<FrozenDisk[]> {
  const { azure, compute, source, run, vm, work, io } = request;
  const group = source.resourceGroup;
  const collection = nameFor(run, source.vm, 'disks');
  await noteMade(work, { collection });
  io.report('taking a restore point of all disks');
  const there = await azure
    .ask(`read the restore point collection ${collection}`, () =>
      compute.restorePointCollections.get(group, collection),
    )
    .catch(ifThere);
  if (there && there.tags?.[tags.run] !== run.runId) throw notOurs(`restore point collection ${collection}`);
  if (!there)
    await azure.ask(`make the restore point collection ${collection}`, () =>
      compute.restorePointCollections.createOrUpdate(group, collection, {
        location: vm.location,
        tags: tagsOf(run),
        source: { id: vm.id },
      }),
    );

  const point = await takeRestorePoint(request, collection);
  const inOrder = inGuestOrder(point.sourceMetadata?.storageProfile);
  await noteMade(work, { disks: inOrder.length });
  return Promise.all(
    inOrder.map(async (disk, index) => {
      const id = disk?.diskRestorePoint?.id;
      if (id === undefined)
        throw new LonghaulError('AZURE_FAILED', {
          found: `the restore point of ${source.vm} lacks disk ${index + 1}`,
          remedy: 'Retry, or stop the VM and migrate it stopped.',
        });
      const name = nameOf(id);
      await untilComplete(request, collection, name);
      return {
        index,
        id,
        name: `disk ${index + 1} of ${source.vm} (restore point ${name})`,
        grant: granting(azure, `restore point ${name}`, {
          grant: (durationInSeconds, signal) =>
            compute.diskRestorePoint
              .grantAccess(group, collection, restorePointName, name, { access: 'Read', durationInSeconds })
              .pollUntilDone({ abortSignal: signal }),
          revoke: (signal) =>
            compute.diskRestorePoint
              .revokeAccess(group, collection, restorePointName, name)
              .pollUntilDone({ abortSignal: signal }),
        }),
      };
    }),
  );
}

/** Takes it, or waits for one that an earlier attempt began. */
async function takeRestorePoint({ azure, compute, source, io }: FreezeRequest, collection: string) {
  const group = source.resourceGroup;
  const read = () =>
    azure.ask('read the restore point', () => compute.restorePoints.get(group, collection, restorePointName));
  let point = await read().catch(ifThere);
  if (point?.provisioningState === 'Failed') {
    await azure.ask('delete the restore point that failed', () =>
      compute.restorePoints
        .delete(group, collection, restorePointName)
        .pollUntilDone({ abortSignal: io.signal }),
    );
    point = undefined;
  }
  if (!point) {
    await azure.ask(`take a restore point of ${source.vm}`, () =>
      compute.restorePoints
        .create(group, collection, restorePointName, { consistencyMode: 'CrashConsistent' })
        .pollUntilDone({ abortSignal: io.signal }),
    );
    point = await read();
  }
  for (; point.provisioningState !== 'Succeeded'; point = await read()) {
    if (point.provisioningState === 'Failed')
      throw new LonghaulError('AZURE_FAILED', {
        found: `the restore point of ${source.vm} failed`,
        remedy: 'Retry: it is taken anew.',
      });
    await pause(pollMs, io.signal);
  }
  return point;
}

/** Disks of some kinds can be read when their copy in the background is done. */
async function untilComplete(
  { azure, compute, source, io }: FreezeRequest,
  collection: string,
  name: string,
): Promise<void> {
  for (;;) {
    const { completionPercent = 100 } = await azure.ask(`read the restore point ${name}`, () =>
      compute.diskRestorePoint.get(source.resourceGroup, collection, restorePointName, name),
    );
    if (completionPercent >= 100) return;
    io.report(`waiting for the restore point ${name}: ${completionPercent} %`);
    await pause(pollMs, io.signal);
  }
}

/** Removes a collection with what is in it, all access first. One that is not there is no error. */
export async function deleteCollection(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  group: string,
  collection: string,
  signal: AbortSignal,
): Promise<void> {
  const point = await azure
    .ask('read the restore point', () => compute.restorePoints.get(group, collection, restorePointName))
    .catch(ifThere);
  for (const disk of inGuestOrder(point?.sourceMetadata?.storageProfile)) {
    const id = disk?.diskRestorePoint?.id;
    if (id === undefined) continue;
    await azure
      .ask(`revoke access to the restore point ${nameOf(id)}`, () =>
        compute.diskRestorePoint
          .revokeAccess(group, collection, restorePointName, nameOf(id))
          .pollUntilDone({ abortSignal: signal }),
      )
      .catch(ifThere);
  }
  await azure
    .ask(`delete the restore point collection ${collection}`, () =>
      compute.restorePointCollections.delete(group, collection).pollUntilDone({ abortSignal: signal }),
    )
    .catch(ifThere);
}
