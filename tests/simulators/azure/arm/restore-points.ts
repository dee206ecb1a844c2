import { refuseWhileCopied } from './background-copy.ts';
import { conflict, notFound } from './errors.ts';
import { accessRoutes, refuseFullFamily } from './export-access.ts';
import type { DiskRestorePoint, RestorePoint, RestorePointCollection } from './model.ts';
import { page } from './paging.ts';
import { createCollection, createPoint, removeCollection, removePoint } from './restore-point-changes.ts';
import { renderCollection, renderDiskRestorePoint, renderRestorePoint } from './restore-point-view.ts';
import { pathsOf, type ArmRequest, type Route } from './router.ts';
import { patchTags } from './tags.ts';
import type { World } from './world.ts';

const type = 'Microsoft.Compute/restorePointCollections';
const pointType = `${type}/restorePoints`;
const diskType = `${pointType}/diskRestorePoints`;

/** Restore points: crash-consistent snapshots of all disks of a VM at one moment. */
export function restorePointRoutes(world: World): Route[] {
  const paths = pathsOf(type);
  const collection = ({ params }: ArmRequest) =>
    world.require(world.collections, params['group'] ?? '', params['name'] ?? '');
  const point = (request: ArmRequest) => pointOf(collection(request), request.params['point'] ?? '');
  const pointPath = `${paths.one}/restorePoints/{point}`;
  const diskPath = `${pointPath}/diskRestorePoints`;
  const diskPoint = (request: ArmRequest) => diskPointOf(point(request), request.params['disk'] ?? '');
  const render = (one: RestorePointCollection) => renderCollection(world, one, false);
  const listed = (one: RestorePointCollection[], { call }: ArmRequest) =>
    page(call.url, one, world.settings.pageSize, render);
  return [
    {
      method: 'GET',
      path: paths.all,
      action: `${type}/read`,
      handle: (request) => listed(world.collections.list(), request),
    },
    {
      method: 'GET',
      path: paths.inGroup,
      action: `${type}/read`,
      handle: (request) =>
        listed(world.collections.list(world.group(request.params['group'] ?? '').name), request),
    },
    {
      method: 'GET',
      path: paths.one,
      action: `${type}/read`,
      handle: (request) => {
        const expand = request.call.url.searchParams.get('$expand')?.toLowerCase() === 'restorepoints';
        return { status: 200, body: renderCollection(world, collection(request), expand) };
      },
    },
    {
      method: 'PUT',
      path: paths.one,
      action: `${type}/write`,
      handle: (request) => createCollection(world, request),
    },
    {
      method: 'DELETE',
      path: paths.one,
      action: `${type}/delete`,
      handle: (request) => removeCollection(world, request),
    },
    patchTags(world, { table: world.collections, path: paths.one, render }),
    {
      method: 'GET',
      path: pointPath,
      action: `${pointType}/read`,
      handle: (request) => {
        const expand = request.call.url.searchParams.get('$expand')?.toLowerCase() === 'instanceview';
        return { status: 200, body: renderRestorePoint(world, point(request), expand) };
      },
    },
    {
      method: 'PUT',
      path: pointPath,
      action: `${pointType}/write`,
      handle: (request) => createPoint(world, request, collection(request)),
    },
    {
      method: 'DELETE',
      path: pointPath,
      action: `${pointType}/delete`,
      handle: (request) => removePoint(world, request, collection(request)),
    },
    {
      method: 'GET',
      path: diskPath,
      action: `${diskType}/read`,
      handle: (request) =>
        page(request.call.url, point(request).disks, world.settings.pageSize, (one) =>
          renderDiskRestorePoint(world, one),
        ),
    },
    {
      method: 'GET',
      path: `${diskPath}/{disk}`,
      action: `${diskType}/read`,
      handle: (request) => ({ status: 200, body: renderDiskRestorePoint(world, diskPoint(request)) }),
    },
    ...accessRoutes(world, {
      path: `${diskPath}/{disk}`,
      type: diskType,
      find: (params) => {
        const owner = world.require(world.collections, params['group'] ?? '', params['name'] ?? '');
        const one = diskPointOf(pointOf(owner, params['point'] ?? ''), params['disk'] ?? '');
        if (!one.content)
          throw conflict('Conflict', `Disk restore point '${one.name}' is being provisioned.`);
        return Promise.resolve({ exported: one, at: one.content.at, check: () => refuseExport(owner, one) });
      },
    }),
  ];
}

/** The restore point of a disk with this id. */
export function diskRestorePointAt(world: World, id: string): DiskRestorePoint | undefined {
  const all = world.collections
    .list()
    .flatMap(({ points }) => [...points.values()].flatMap(({ disks }) => disks));
  return all.find((one) => one.id.toLowerCase() === id.toLowerCase());
}

function pointOf(collection: RestorePointCollection, name: string): RestorePoint {
  const point = collection.points.get(name.toLowerCase());
  if (!point) throw notFound(pointType, `${collection.name}/${name}`, collection.resourceGroup);
  return point;
}

function diskPointOf(point: RestorePoint, name: string): DiskRestorePoint {
  const found = point.disks.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (!found) throw notFound(diskType, name, point.resourceGroup);
  return found;
}

function refuseExport(owner: RestorePointCollection, one: DiskRestorePoint): void {
  refuseWhileCopied(one);
  const family = [...owner.points.values()].flatMap(({ disks }) => disks);
  refuseFullFamily(
    one,
    family.filter(({ familyId }) => familyId === one.familyId),
  );
}
