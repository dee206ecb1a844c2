import { z } from 'zod';
import type { Reply } from '../server.ts';
import { copyOf, isCopied } from './background-copy.ts';
import { badRequest, conflict, notFound } from './errors.ts';
import { hasActiveGrant } from './grants.ts';
import type { Disk, DiskRestorePoint, RestorePoint, RestorePointCollection, Vm } from './model.ts';
import { renderCollection, renderRestorePoint } from './restore-point-view.ts';
import type { ArmRequest } from './router.ts';
import { hasPremiumStorage } from './sizes.ts';
import { parseBody, tagsSchema } from './tags.ts';
import type { World } from './world.ts';

const type = 'Microsoft.Compute/restorePointCollections';

const collectionBody = z.object({
  location: z.string().min(1),
  tags: tagsSchema.optional(),
  properties: z.object({ source: z.object({ id: z.string() }) }),
});

export function createCollection(world: World, { call, params }: ArmRequest): Reply {
  const group = world.group(params['group'] ?? '');
  const name = params['name'] ?? '';
  const asked = parseBody(collectionBody, call.body);
  const vm = world.vms.find(asked.properties.source.id);
  if (!vm)
    throw notFound(
      'Microsoft.Compute/virtualMachines',
      asked.properties.source.id.split('/').at(-1) ?? '',
      group.name,
    );
  const known = world.collections.find(world.idOf(group.name, type, name));
  if (known && known.vmId !== vm.id)
    throw conflict('PropertyChangeNotAllowed', "Changing property 'source.id' is not allowed.", 'source.id');
  const collection = known ?? {
    ...world.resource(group, type, name, asked.tags),
    location: vm.location,
    vmId: vm.id,
    provisioningState: 'Succeeded',
    points: new Map(),
    families: new Map(),
  };
  if (known) known.tags = asked.tags ?? {};
  else world.collections.put(collection);
  return { status: known ? 200 : 201, body: renderCollection(world, collection, false) };
}

export async function removeCollection(world: World, request: ArmRequest): Promise<Reply> {
  const group = world.group(request.params['group'] ?? '');
  const collection = world.collections.find(world.idOf(group.name, type, request.params['name'] ?? ''));
  if (!collection) return { status: 204 };
  const points = [...collection.points.values()];
  points.forEach(refuseUsed);
  collection.provisioningState = 'Deleting';
  return world.operations.start(request.call, {
    location: collection.location,
    kind: 'operations',
    succeed: async () => {
      world.collections.remove(collection.id);
      for (const point of points) await removeContent(world, point);
    },
  });
}

const pointBody = z.object({
  properties: z
    .object({
      excludeDisks: z.array(z.object({ id: z.string() })).optional(),
      consistencyMode: z
        .enum(['CrashConsistent', 'FileSystemConsistent', 'ApplicationConsistent'])
        .optional(),
    })
    .optional(),
});

export async function createPoint(
  world: World,
  { call, params }: ArmRequest,
  collection: RestorePointCollection,
): Promise<Reply> {
  const name = params['point'] ?? '';
  const { properties = {} } = parseBody(pointBody, call.body);
  if (collection.points.has(name.toLowerCase()))
    throw conflict('Conflict', `Restore point '${name}' exists already; restore points cannot be changed.`);
  const vm = world.vms.find(collection.vmId);
  if (!vm)
    throw notFound(
      'Microsoft.Compute/virtualMachines',
      collection.vmId.split('/').at(-1) ?? '',
      collection.resourceGroup,
    );
  const excludedIds = (properties.excludeDisks ?? []).map(({ id }) => id);
  const excluded = new Set(excludedIds.map((id) => id.toLowerCase()));
  const disks = [vm.osDisk, ...vm.dataDisks.map(({ disk }) => disk)].filter(
    ({ id }) => !excluded.has(id.toLowerCase()),
  );
  refuseUnsupported(vm, disks, properties.consistencyMode);

  const group = world.group(collection.resourceGroup);
  const id = `${collection.id}/restorePoints/${name}`;
  const point: RestorePoint = {
    ...world.resource(group, type, name),
    id,
    location: vm.location,
    vm,
    consistencyMode: properties.consistencyMode ?? 'ApplicationConsistent',
    provisioningState: 'Creating',
    excludedIds,
    disks: disks.map((disk) => newDiskPoint(world, { collection, id, disk })),
  };
  collection.points.set(name.toLowerCase(), point);
  // All disks at the moment of the request: nothing is written to any of them in between.
  const contents = await Promise.all(point.disks.map(({ disk }) => world.storage.freeze(disk.content)));
  const accepted = await world.operations.start(
    call,
    {
      location: vm.location,
      kind: 'operations',
      succeed: () => {
        point.provisioningState = 'Succeeded';
        point.disks.forEach((one, at) => {
          one.content = contents[at];
          one.copiedAtMs = copyOf(world, one.disk);
        });
      },
      fail: () => {
        point.provisioningState = 'Failed';
      },
    },
    renderRestorePoint(world, point, false),
  );
  return { ...accepted, status: 201 };
}

/** "Support matrix for VM restore points" says what there are none of; the words are not documented. */
function refuseUnsupported(vm: Vm, disks: readonly Disk[], consistencyMode: string | undefined): void {
  const refuse = (what: string) =>
    badRequest('VMRestorePointClientError', `Creation of Restore Point for ${what} is not supported.`);
  const shared = disks.find(({ maxShares }) => maxShares > 1);
  if (shared) throw refuse(`the shared disk ${shared.name}`);
  if (consistencyMode !== 'CrashConsistent') return;
  const special = disks.find(({ sku }) => isCopied(sku));
  if (special) throw refuse(`the ${special.sku} disk ${special.name} in crash consistent mode`);
  if (!hasPremiumStorage(vm.size)) throw refuse(`the size ${vm.size} in crash consistent mode`);
  if (vm.securityProfile?.['securityType'] === 'ConfidentialVM') throw refuse('a confidential VM');
}

function newDiskPoint(
  world: World,
  { collection, id, disk }: { collection: RestorePointCollection; id: string; disk: Disk },
): DiskRestorePoint {
  const familyId = collection.families.get(disk.uniqueId) ?? world.newId();
  collection.families.set(disk.uniqueId, familyId);
  const name = `${disk.name}_${world.newId()}`;
  return {
    ...world.resource(world.group(collection.resourceGroup), type, name),
    id: `${id}/diskRestorePoints/${name}`,
    location: disk.location,
    disk,
    familyId,
    grants: [],
  };
}

export async function removePoint(
  world: World,
  { call, params }: ArmRequest,
  collection: RestorePointCollection,
): Promise<Reply> {
  const name = (params['point'] ?? '').toLowerCase();
  const point = collection.points.get(name);
  if (!point) return { status: 204 };
  refuseUsed(point);
  point.provisioningState = 'Deleting';
  return world.operations.start(call, {
    location: point.location,
    kind: 'operations',
    succeed: async () => {
      collection.points.delete(name);
      await removeContent(world, point);
    },
  });
}

/** "Troubleshoot restore point failures" has this code and its words. */
function refuseUsed(point: RestorePoint): void {
  if (point.disks.some(hasActiveGrant))
    throw conflict(
      'DiskRestorePointUsedByCustomer',
      'There is an active shared access signature outstanding for disk restore point. Call EndGetAccess before deleting the restore point.',
    );
}

async function removeContent(world: World, point: RestorePoint): Promise<void> {
  for (const { content } of point.disks) if (content) await world.storage.remove(content);
}
