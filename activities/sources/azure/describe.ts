import type { ComputeManagementClient } from '@azure/arm-compute';
import { z } from 'zod';
import type { AzureMachine } from '../../../contracts/azure-inventory.ts';
import { blocker, warning } from '../../../contracts/findings.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { Finding, RemoteDisk, SourceVm } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import { generatedMac } from '../mac.ts';
import type { Described, SourceDeps, SourceRequest } from '../source.ts';
import { mostReadOfDisk, revokeOthers } from './access.ts';
import { connectAzure, type AzureConnection } from './connect.ts';
import { findingsOfMachine } from './findings.ts';
import { listAll, parseAnswer } from './listing.ts';
import { machineOf } from './machine.ts';
import { tags as tagNames } from './made.ts';
import { actions, actionsInGroup, missingActions } from './permissions.ts';
import {
  diskResource,
  idKey,
  nameOf,
  nicResource,
  resourceGroupOf,
  snapshotResource,
  type SnapshotResource,
  vmResource,
  type VmResource,
} from './resources.ts';
import { listSizes, type SizeTable } from './sizes.ts';

/**
 * The VM as Azure has it, with everything that would stop its migration later. Only reads.
 *
 * @throws LonghaulError SOURCE_NOT_FOUND, and what {@link AzureConnection.ask} throws
 */
export async function describeVm(
  request: SourceRequest<'azure'>,
  deps: Pick<SourceDeps, 'resolveSecret' | 'azure'>,
  io: StepIo,
): Promise<Described> {
  const { source } = request;
  io.report('logging in to Azure');
  const azure = await connectAzure(source, deps, io);
  const compute = await azure.compute(source.subscription);
  io.report(`reading ${source.vm} in Azure`);
  const machine = await readMachine(azure, compute, source);
  io.report('looking at what may be done in Azure');
  const [permissions, snapshots] = await Promise.all([
    findingsOfPermissions(azure, source, machine),
    findingsOfSnapshots(azure, compute, machine, request),
  ]);
  return {
    vm: sourceVmOf(request.name, machine),
    disks: [],
    remoteDisks: machine.disks.map(remoteDiskOf),
    findings: [...findingsOfMachine(machine, source), ...permissions, ...snapshots],
  };
}

function sourceVmOf(name: string, machine: AzureMachine): SourceVm {
  const { cpus, memoryMiB, firmware, state } = machine;
  return {
    name,
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(firmware === undefined ? {} : { firmware }),
    nics: machine.nics.map(({ mac, network, addresses }, index) => ({
      mac: mac ?? generatedMac(name, index),
      network: network ?? 'default',
      addresses,
    })),
    running: state !== 'stopped' && state !== 'deallocated',
  };
}

function remoteDiskOf({ name, id, sizeBytes }: AzureMachine['disks'][number], index: number): RemoteDisk {
  return { index, name, ...(id === undefined ? {} : { id }), virtualSizeBytes: sizeBytes ?? 0 };
}

/** One VM with its disks and cards: a request for each, and one for the sizes. */
async function readMachine(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  { subscription, resourceGroup, vm: vmName }: AzureSourceSpec,
): Promise<AzureMachine> {
  const doing = `read the VM ${vmName} in ${resourceGroup}`;
  const vm = parseAnswer(
    doing,
    vmResource,
    await azure.ask(doing, () =>
      compute.virtualMachines.get(resourceGroup, vmName, { expand: 'instanceView' }),
    ),
  );
  const [disks, nics, sizes] = await Promise.all([
    Promise.all(
      managedDisksOf(vm).map((id) => {
        const doing = `read the disk ${nameOf(id)}`;
        return azure
          .ask(doing, () => compute.disks.get(resourceGroupOf(id) ?? '', nameOf(id)))
          .then((answer) => parseAnswer(doing, diskResource, answer));
      }),
    ),
    readNics(azure, subscription, vm),
    sizesOf(azure, compute, vm.location),
  ]);
  return machineOf(vm, {
    disks: new Map(disks.map((disk) => [idKey(disk.id), disk])),
    nics: new Map(nics.map((nic) => [idKey(nic.id), nic])),
    sizeOf: (_location, size) => sizes.get(size.toLowerCase()),
  });
}

async function readNics(azure: AzureConnection, subscription: string, vm: VmResource) {
  const references = vm.networkProfile?.networkInterfaces ?? [];
  if (references.length === 0) return [];
  const network = await azure.network(subscription);
  return Promise.all(
    references.map(async ({ id }) => {
      const doing = `read the network card ${nameOf(id)}`;
      const answer = await azure.ask(doing, () =>
        network.networkInterfaces.get(resourceGroupOf(id) ?? '', nameOf(id)),
      );
      return parseAnswer(doing, nicResource, answer);
    }),
  );
}

/** Ephemeral disks have an id, and no resource behind it. */
function managedDisksOf({ storageProfile }: VmResource): string[] {
  const { osDisk, dataDisks = [] } = storageProfile ?? {};
  const os = osDisk?.diffDiskSettings?.option === 'Local' ? undefined : osDisk;
  return [os, ...dataDisks].flatMap((disk) => disk?.managedDisk?.id ?? []);
}

/** Sizes are the subscription's to tell: without a role there a VM can be migrated all the same. */
async function sizesOf(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  location: string,
): Promise<SizeTable> {
  try {
    return await listSizes(azure, compute, location);
  } catch (error) {
    if (isDenied(error)) return new Map();
    throw error;
  }
}

const isDenied = (error: unknown) => error instanceof LonghaulError && error.code === 'AZURE_DENIED';

/** Every action that is missing, in whatever resource group, before the first is needed. */
async function findingsOfPermissions(
  azure: AzureConnection,
  source: AzureSourceSpec,
  machine: AzureMachine,
): Promise<Finding[]> {
  const wanted = new Map<string, { group: string; actions: string[] }>();
  const want = (group: string, more: readonly string[]) => {
    const known = wanted.get(group.toLowerCase()) ?? { group, actions: [] };
    wanted.set(group.toLowerCase(), { group, actions: [...known.actions, ...more] });
  };
  want(source.resourceGroup, actionsInGroup(source.whenRunning));
  for (const { id, encryptionSet } of machine.disks) {
    const group = id === undefined ? undefined : resourceGroupOf(id);
    if (group !== undefined) want(group, actions.disk);
    const setGroup = encryptionSet === undefined ? undefined : resourceGroupOf(encryptionSet);
    if (setGroup !== undefined) want(setGroup, actions.encryptionSet);
  }
  const findings = await Promise.all(
    [...wanted.values()].map(({ group, actions }) =>
      findingOfGroup(azure, source.subscription, group, actions),
    ),
  );
  return findings.flat();
}

async function findingOfGroup(
  azure: AzureConnection,
  subscription: string,
  resourceGroup: string,
  wanted: readonly string[],
): Promise<Finding[]> {
  try {
    const missing = await missingActions(azure, { subscription, resourceGroup }, wanted);
    if (missing.length === 0) return [];
    return [
      blocker(
        'AZURE_DENIED',
        `in the resource group ${resourceGroup} the account may not do: ${missing.join(', ')}`,
        'Give it a role that has them; the smallest that does is in SECURITY.md. Roles take some minutes to have effect.',
      ),
    ];
  } catch (error) {
    if (!isDenied(error)) throw error;
    return [
      warning(
        'permissions-unknown',
        `the account may not ask what it may do in the resource group ${resourceGroup}`,
        'What is missing shows when it is needed. Microsoft.Authorization/permissions/read lets it ask before.',
      ),
    ];
  }
}

/** Snapshots of the VM's disks that are not of this run: left by another one, or in use. */
async function findingsOfSnapshots(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  machine: AzureMachine,
  { source, run }: SourceRequest<'azure'>,
): Promise<Finding[]> {
  const own = new Set(machine.disks.flatMap(({ id }) => (id === undefined ? [] : idKey(id))));
  const doing = `list the snapshots in ${source.resourceGroup}`;
  try {
    const all = await listAll(azure, doing, z.unknown(), () =>
      compute.snapshots.listByResourceGroup(source.resourceGroup),
    );
    // Those of others are none of ours, whatever they look like.
    const others = all
      .flatMap((item) => snapshotResource.safeParse(item).data ?? [])
      .filter(({ creationData }) => own.has(idKey(creationData?.sourceResourceId ?? '')))
      .filter(({ tags = {} }) => tags[tagNames.run] !== run.runId);
    return [...leftBehind(others), ...inUse(others)];
  } catch (error) {
    // That reading snapshots is not allowed is said by the permissions.
    if (isDenied(error)) return [];
    throw error;
  }
}

function leftBehind(snapshots: readonly SnapshotResource[]): Finding[] {
  const left = snapshots.filter(({ tags = {} }) => tags[tagNames.migration] !== undefined);
  if (left.length === 0) return [];
  return [
    warning(
      'leftover-snapshots',
      `${left.length} snapshot${left.length === 1 ? '' : 's'} of this VM that Longhaul made for another run ${left.length === 1 ? 'is' : 'are'} there: ${left.map(({ name }) => name).join(', ')}`,
      'They cost money and count towards the limits of the disk. longhaul reap azure lists and removes those that nothing uses.',
    ),
  ];
}

/** As many as Azure gives access to at a time; they may lie in other groups too, where they are not looked for. */
function inUse(snapshots: readonly SnapshotResource[]): Finding[] {
  const read = snapshots.filter(({ incremental, diskState }) => incremental && diskState === 'ActiveSAS');
  const byDisk = Map.groupBy(read, ({ creationData }) => idKey(creationData?.sourceResourceId ?? ''));
  return [...byDisk]
    .filter(([, those]) => those.length >= mostReadOfDisk)
    .map(([disk, those]) =>
      blocker(
        'AZURE_ACCESS_LIMIT',
        `${those.length} snapshots of the disk ${nameOf(disk)} are being read: ${those.map(({ name }) => name).join(', ')}`,
        revokeOthers,
      ),
    );
}
