import type { ComputeManagementClient, Snapshot, VirtualMachine } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { RunRef } from '../../../contracts/values.ts';
import { pause } from '../../host/pause.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { AzureConnection } from './connect.ts';
import { nameFor, noteMade, readMade, tags, tagsOf } from './made.ts';
import { inGuestOrder, nameOf } from './resources.ts';
import type { GrantAccess } from './sas-access.ts';

/** A disk as of one moment. */
export interface FrozenDisk {
  index: number;
  /** Its id in Azure. */
  id: string;
  /** For people. */
  name: string;
  grant: GrantAccess;
}

/** What snapshots are taken of, and in whose name. */
export interface FreezeRequest {
  azure: AzureConnection;
  compute: ComputeManagementClient;
  source: AzureSourceSpec;
  run: RunRef;
  vm: VirtualMachine;
  work: WorkDir;
  io: StepIo;
}

/** Between two looks at what Azure makes in the background. */
export const pollMs = 2_000;

/**
 * Incremental snapshots of all disks of a VM, taken at once. Those that an earlier attempt took are taken as they
 * are.
 *
 * @param round counts from 0; the snapshots of each have names of their own
 */
export async function snapshotDisks(request: FreezeRequest, round = 0): Promise<FrozenDisk[]> {
  const { work, io } = request;
  const disks = attachedDisks(request.vm);
  const names = snapshotNames(request, round);
  const { snapshots } = await readMade(work);
  await noteMade(work, { snapshots: [...new Set([...snapshots, ...names])], disks: disks.length });
  io.report(`taking snapshots of ${disks.length === 1 ? 'the disk' : `${disks.length} disks`}`);
  return Promise.all(
    disks.map((id, index) => snapshotDisk(request, { id, index, name: names[index] ?? '' })),
  );
}

export function snapshotNames({ run, source, vm }: FreezeRequest, round: number): string[] {
  return attachedDisks(vm).map((_, index) =>
    nameFor(run, source.vm, round === 0 ? `disk${index}` : `disk${index}-${round}`),
  );
}

async function snapshotDisk(
  request: FreezeRequest,
  { id, index, name }: { id: string; index: number; name: string },
): Promise<FrozenDisk> {
  const { azure, compute, source, run, vm, io } = request;
  const group = source.resourceGroup;
  const read = () => readSnapshot(azure, compute, group, name);
  let snapshot = await read();
  if (snapshot && snapshot.tags?.[tags.run] !== run.runId) throw notOurs(`snapshot ${name}`);
  if (snapshot?.provisioningState === 'Failed') {
    await deleteSnapshot(azure, compute, group, name, io.signal);
    snapshot = undefined;
  }
  if (snapshot === undefined) {
    const wanted: Snapshot = {
      location: vm.location,
      tags: tagsOf(run, index),
      incremental: true,
      creationData: { createOption: 'Copy', sourceResourceId: id },
    };
    snapshot = await azure.ask(`take the snapshot ${name} of ${nameOf(id)}`, () =>
      compute.snapshots.createOrUpdate(group, name, wanted).pollUntilDone({ abortSignal: io.signal }),
    );
  }
  for (; snapshot; snapshot = await read()) {
    if (isComplete(snapshot)) return frozenDisk(request, index, snapshot);
    if (snapshot.provisioningState === 'Failed' || snapshot.copyCompletionError) break;
    io.report(`waiting for the snapshot ${name}: ${snapshot.completionPercent ?? 0} %`);
    await pause(pollMs, io.signal);
  }
  throw new LonghaulError('AZURE_FAILED', {
    found: `the snapshot ${name} failed: ${snapshot?.copyCompletionError?.errorMessage ?? 'Azure says no more'}`,
    remedy: 'Retry: it is taken anew.',
  });
}

/** As Azure shows it; undefined when there is none. */
function readSnapshot(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  group: string,
  name: string,
): Promise<Snapshot | undefined> {
  return azure.ask(`read the snapshot ${name}`, () => compute.snapshots.get(group, name)).catch(ifThere);
}

/** @param snapshot as Azure shows it */
export function frozenDisk(
  { azure, compute, source }: FreezeRequest,
  index: number,
  { id = '', name = nameOf(id) }: Snapshot,
): FrozenDisk {
  const group = source.resourceGroup;
  return {
    index,
    id,
    name: `disk ${index + 1} of ${source.vm} (snapshot ${name})`,
    grant: granting(azure, `snapshot ${name}`, {
      grant: (durationInSeconds, signal) =>
        compute.snapshots
          .grantAccess(group, name, { access: 'Read', durationInSeconds })
          .pollUntilDone({ abortSignal: signal }),
      revoke: (signal) => compute.snapshots.revokeAccess(group, name).pollUntilDone({ abortSignal: signal }),
    }),
  };
}

/** Snapshots of Ultra and Premium v2 disks can be read when their copy in the background is done. */
function isComplete(snapshot: Snapshot): boolean {
  if (snapshot.provisioningState !== 'Succeeded') return false;
  return snapshot.completionPercent === undefined || snapshot.completionPercent >= 100;
}

/** A signed address; a place for one is made when a snapshot has as many as it may have. */
export function granting(
  azure: AzureConnection,
  what: string,
  calls: {
    grant: (seconds: number, signal: AbortSignal) => Promise<{ accessSAS?: string }>;
    revoke: (signal: AbortSignal) => Promise<void>;
  },
): GrantAccess {
  const grant = (seconds: number, signal: AbortSignal) =>
    azure.ask(`give access to the ${what}`, () => calls.grant(seconds, signal));
  return async (seconds, signal) => {
    const { accessSAS } = await grant(seconds, signal).catch(async (error: unknown) => {
      if (!(error instanceof LonghaulError) || error.details.status !== 409) throw error;
      await azure.ask(`revoke access to the ${what}`, () => calls.revoke(signal));
      return grant(seconds, signal);
    });
    if (accessSAS === undefined)
      throw new LonghaulError('AZURE_FAILED', {
        found: `Azure gave access to the ${what} and no address`,
        remedy: 'Retry.',
      });
    return new URL(accessSAS);
  };
}

/** Takes back all access, then removes it. One that is not there is no error; one that is being made is waited for. */
export async function deleteSnapshot(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  group: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  let snapshot = await readSnapshot(azure, compute, group, name);
  while (snapshot && !isSettled(snapshot.provisioningState)) {
    await pause(pollMs, signal);
    snapshot = await readSnapshot(azure, compute, group, name);
  }
  if (!snapshot) return;
  if (snapshot.provisioningState === 'Succeeded')
    await azure
      .ask(`revoke access to the snapshot ${name}`, () =>
        compute.snapshots.revokeAccess(group, name).pollUntilDone({ abortSignal: signal }),
      )
      .catch(ifThere);
  await azure
    .ask(`delete the snapshot ${name}`, () =>
      compute.snapshots.delete(group, name).pollUntilDone({ abortSignal: signal }),
    )
    .catch(ifThere);
}

const isSettled = (state: string | undefined) => ['Succeeded', 'Failed', 'Canceled'].includes(state ?? '');

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
