import { completionPercent } from './background-copy.ts';
import type { Disk, DiskRestorePoint, RestorePoint, RestorePointCollection } from './model.ts';
import { storageProfile } from './virtual-machines.ts';
import type { World } from './world.ts';

/** A restore point, with `instanceView` where that was asked for. */
export function renderRestorePoint(world: World, point: RestorePoint, expand: boolean) {
  const { name, id, vm, excludedIds, provisioningState, consistencyMode, createdAt } = point;
  return {
    name,
    id,
    type: 'Microsoft.Compute/restorePointCollections/restorePoints',
    properties: {
      ...(excludedIds.length > 0 ? { excludeDisks: excludedIds.map((one) => ({ id: one })) } : {}),
      sourceMetadata: {
        vmId: vm.vmId,
        hardwareProfile: { vmSize: vm.size },
        storageProfile: withRestorePoints(point),
        location: vm.location,
        hyperVGeneration: vm.generation,
        ...(vm.securityProfile ? { securityProfile: vm.securityProfile } : {}),
      },
      provisioningState,
      consistencyMode,
      timeCreated: createdAt.toISOString(),
      ...(expand ? { instanceView: instanceView(world, point) } : {}),
    },
  };
}

/** The VM's disks, each with the restore point that was made of it. */
function withRestorePoints({ vm, disks }: RestorePoint) {
  const { osDisk, dataDisks } = storageProfile(vm);
  const of = (disk: Disk | undefined) => {
    const found = disks.find((one) => one.disk === disk);
    return found ? { diskRestorePoint: { id: found.id } } : {};
  };
  return {
    osDisk: { ...osDisk, ...of(vm.osDisk) },
    dataDisks: dataDisks.map((one, at) => ({ ...one, ...of(vm.dataDisks[at]?.disk) })),
  };
}

function instanceView(world: World, { disks }: RestorePoint) {
  const percents = disks.map((one) => completionPercent(world, one) ?? 100);
  const status = (done: boolean) => ({
    code: `ReplicationState/${done ? 'succeeded' : 'inProgress'}`,
    level: 'Info',
    displayStatus: done ? 'Succeeded' : 'InProgress',
  });
  return {
    diskRestorePoints: disks.map(({ id }, at) => ({
      id,
      replicationStatus: { status: status(percents[at] === 100), completionPercent: percents[at] },
    })),
    statuses: [status(percents.every((percent) => percent === 100))],
  };
}

export function renderDiskRestorePoint(world: World, one: DiskRestorePoint) {
  const { id, name, createdAt, disk, familyId } = one;
  const percent = completionPercent(world, one);
  return {
    id,
    name,
    type: 'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints',
    properties: {
      timeCreated: createdAt.toISOString(),
      sourceResourceId: disk.id,
      ...(disk.osType ? { osType: disk.osType } : {}),
      ...(disk.generation ? { hyperVGeneration: disk.generation } : {}),
      familyId,
      sourceUniqueId: disk.uniqueId,
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      ...(percent === undefined ? {} : { completionPercent: percent }),
    },
  };
}

/** A collection, with its restore points where they were asked for. */
export function renderCollection(world: World, one: RestorePointCollection, expand: boolean) {
  const points = [...one.points.values()].map((point) => renderRestorePoint(world, point, false));
  return {
    name: one.name,
    id: one.id,
    type: 'Microsoft.Compute/restorePointCollections',
    location: one.location,
    tags: one.tags,
    properties: {
      source: { id: one.vmId, location: one.location },
      provisioningState: one.provisioningState,
      restorePointCollectionId: one.id,
      ...(expand ? { restorePoints: points } : {}),
    },
  };
}
