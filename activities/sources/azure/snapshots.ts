import type { ComputeManagementClient, Snapshot, VirtualMachine } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { RunRef } from '../../../contracts/values.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { granting } from './access.ts';
import type { AzureConnection } from './connect.ts';
import { nameFor, noteMade, readMade, tags, tagsOf } from './made.ts';
import { idKey, inGuestOrder, nameOf } from './resources.ts';
import type { GrantAccess } from './sas-access.ts';
import { operate, waitFor } from './wait.ts';

/** A disk as of one moment. */
export interface FrozenDisk {
  index: number;
  /** The same for the same bytes only; see {@link identityOf}. */
  id: string;
  /** For people. */
  name: string;
  grant: GrantAccess;
}

/** What is asked of Azure in the name of a run. */
export interface ReleaseRequest {
  azure: AzureConnection;
  compute: ComputeManagementClient;
  source: AzureSourceSpec;
  run: RunRef;
  work: WorkDir;
  io: StepIo;
}

/** What snapshots are taken of. */
export interface FreezeRequest extends ReleaseRequest {
  vm: VirtualMachine;
}

/** The copy of a big Ultra disk takes hours. */
export const copyLimitMs = 24 * 3600_000;

/** Takes snapshots of all disks of a VM, and waits until they can be read. */
export async function snapshotDisks(request: FreezeRequest, round = 0): Promise<FrozenDisk[]> {
  return untilReadable(request, await takeSnapshots(request, round));
}

/**
 * Incremental snapshots of all disks of a VM, taken at once. Those that are there already are taken as they are.
 *
 * @param round counts from 0; the snapshots of each have names of their own
 */
export async function takeSnapshots(request: FreezeRequest, round = 0): Promise<Snapshot[]> {
  const { source, work, io } = request;
  const names = snapshotNames(request, round);
  const disks = attachedDisks(request.vm).map((id, index) => ({ id, index, name: names[index] ?? '' }));
  const { snapshots } = await readMade(work);
  await noteMade(work, { source, snapshots: [...new Set([...snapshots, ...names])] });
  io.report(`taking snapshots of ${disks.length === 1 ? 'the disk' : `${disks.length} disks`}`);
  return sideBySide(disks, io, (disk, own) => takeSnapshot({ ...request, io: own }, disk));
}

export function snapshotNames({ run, source, vm }: FreezeRequest, round: number): string[] {
  return attachedDisks(vm).map((_, index) =>
    nameFor(run, source.vm, round === 0 ? `disk${index}` : `disk${index}-${round}`),
  );
}

async function takeSnapshot(
  request: FreezeRequest,
  { id, index, name }: { id: string; index: number; name: string },
): Promise<Snapshot> {
  const { azure, compute, source, run, vm, io } = request;
  const there = await settledSnapshot(request, name);
  if (there && there.tags?.[tags.run] !== run.runId) throw notOurs(`snapshot ${name}`);
  if (there && !hasFailed(there)) return there;
  if (there) await deleteSnapshot(request, name);
  const wanted: Snapshot = {
    location: vm.location,
    tags: tagsOf(run, index),
    incremental: true,
    creationData: { createOption: 'Copy', sourceResourceId: id },
  };
  await operate(azure, `take the snapshot ${name} of ${nameOf(id)}`, io, (options) =>
    compute.snapshots.createOrUpdate(source.resourceGroup, name, wanted, options),
  );
  const snapshot = await settledSnapshot(request, name);
  if (snapshot && !hasFailed(snapshot)) return snapshot;
  throw failure(name, snapshot);
}

/** Snapshots of Ultra and Premium v2 disks can be read when their copy in the background is done. */
export function untilReadable(
  request: ReleaseRequest,
  snapshots: readonly Snapshot[],
): Promise<FrozenDisk[]> {
  return sideBySide(
    [...snapshots.entries()],
    request.io,
    async ([index, { id = '', name = nameOf(id) }], own) => {
      const copied = await waitFor(
        {
          what: `the snapshot ${name}`,
          look: () => readSnapshot({ ...request, io: own }, name),
          isOver: (seen) => seen === undefined || hasFailed(seen) || (seen.completionPercent ?? 100) >= 100,
          progress: (seen) => `${seen?.completionPercent ?? 0} %`,
          limitMs: copyLimitMs,
        },
        own,
      );
      if (copied && !hasFailed(copied)) return frozenDisk(request, index, copied);
      throw failure(name, copied);
    },
  );
}

function failure(name: string, snapshot: Snapshot | undefined): LonghaulError {
  const { copyCompletionError, provisioningState } = snapshot ?? {};
  const why = copyCompletionError?.errorMessage ?? provisioningState ?? 'it is gone';
  return new LonghaulError('AZURE_FAILED', {
    found: `the snapshot ${name} failed: ${why}`,
    remedy: 'Retry: it is taken anew.',
  });
}

/** In the end it was not made, or its copy broke off. */
export function hasFailed({ provisioningState, copyCompletionError }: Snapshot): boolean {
  return copyCompletionError !== undefined || provisioningState !== 'Succeeded';
}

/** As Azure shows it; undefined when there is none. */
export function readSnapshot(
  { azure, compute, source, io }: SnapshotPlace,
  name: string,
): Promise<Snapshot | undefined> {
  return azure
    .ask(`read the snapshot ${name}`, () =>
      compute.snapshots.get(source.resourceGroup, name, { abortSignal: io.signal }),
    )
    .catch(ifThere);
}

/** The same when Azure is neither making nor deleting it. */
function settledSnapshot(place: SnapshotPlace, name: string): Promise<Snapshot | undefined> {
  return waitFor(
    {
      what: `the snapshot ${name} to be made`,
      look: () => readSnapshot(place, name),
      isOver: (seen) =>
        seen === undefined || ['Succeeded', 'Failed', 'Canceled'].includes(seen.provisioningState ?? ''),
      progress: (seen) => seen?.provisioningState ?? 'Azure does not say its state',
    },
    place.io,
  );
}

/** Tells apart two snapshots that had the same name one after the other. The spelling of ids changes in Azure. */
export function identityOf({ id = '', uniqueId = '' }: Snapshot): string {
  return `${idKey(id)}#${uniqueId}`;
}

/** @param snapshot as Azure shows it */
export function frozenDisk(
  { azure, compute, source, io }: ReleaseRequest,
  index: number,
  snapshot: Snapshot,
): FrozenDisk {
  const group = source.resourceGroup;
  const name = snapshot.name ?? nameOf(snapshot.id ?? '');
  const what = `snapshot ${name}`;
  return {
    index,
    id: identityOf(snapshot),
    name: `disk ${index + 1} of ${source.vm} (${what})`,
    grant: granting(
      {
        what,
        grant: (durationInSeconds, own) =>
          operate(azure, `give access to the ${what}`, own, (options) =>
            compute.snapshots.grantAccess(group, name, { access: 'Read', durationInSeconds }, options),
          ),
        revoke: (own) =>
          operate(azure, `revoke access to the ${what}`, own, (options) =>
            compute.snapshots.revokeAccess(group, name, options),
          ),
      },
      io,
    ),
  };
}

/** Where a snapshot is. */
export type SnapshotPlace = Pick<ReleaseRequest, 'azure' | 'compute' | 'io'> & {
  source: Pick<AzureSourceSpec, 'resourceGroup'>;
};

/** Takes back all access, then removes it. One that is not there is no error; one that is being made is waited for. */
export async function deleteSnapshot(place: SnapshotPlace, name: string): Promise<void> {
  const { azure, compute, source, io } = place;
  const group = source.resourceGroup;
  const snapshot = await settledSnapshot(place, name);
  if (!snapshot) return;
  if (snapshot.provisioningState === 'Succeeded')
    await operate(azure, `revoke access to the snapshot ${name}`, io, (options) =>
      compute.snapshots.revokeAccess(group, name, options),
    ).catch(ifThere);
  await operate(azure, `delete the snapshot ${name}`, io, (options) =>
    compute.snapshots.delete(group, name, options),
  ).catch(ifThere);
}

/** Ids of the disks, in the guest's order. */
function attachedDisks({ name, storageProfile }: VirtualMachine): string[] {
  return inGuestOrder(storageProfile).map((disk) => {
    const id = disk?.managedDisk?.id;
    if (id !== undefined) return id;
    throw new LonghaulError('SOURCE_UNREADABLE', {
      found: `${name ?? 'the VM'} has a disk that is not a managed disk`,
      remedy: 'Convert its disks to managed disks in Azure, then retry.',
    });
  });
}

/** Lets "not there" pass as undefined. */
export function ifThere(error: unknown): undefined {
  if (error instanceof LonghaulError && error.code === 'SOURCE_NOT_FOUND') return undefined;
  throw error;
}

/** What has the name of ours and was made by somebody else. */
export function notOurs(what: string): LonghaulError {
  return new LonghaulError('SOURCE_UNREADABLE', {
    found: `there is a ${what} that this run did not make`,
    remedy: 'See what made it; move it out of the way, then retry.',
  });
}
