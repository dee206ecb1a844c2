import { z } from 'zod';
import type { Reply } from '../server.ts';
import { authorizeLinked } from './access-control.ts';
import { copyOf, completionPercent, refuseWhileCopied } from './background-copy.ts';
import { encryptionOf } from './disks.ts';
import { badRequest, conflict, notFound } from './errors.ts';
import { accessRoutes, refuseFullFamily } from './export-access.ts';
import { hasActiveGrant } from './grants.ts';
import type { Disk, Snapshot } from './model.ts';
import { diskRestorePointAt } from './restore-points.ts';
import { readRoutes } from './read-routes.ts';
import { pathsOf, type ArmRequest, type Route } from './router.ts';
import { parseBody, patchTags, tagsSchema } from './tags.ts';
import type { World } from './world.ts';

const type = 'Microsoft.Compute/snapshots';
const maxNameLength = 80;

export function snapshotRoutes(world: World): Route[] {
  const paths = pathsOf(type);
  const render = (snapshot: Snapshot) => renderSnapshot(world, snapshot);
  const find = (params: Record<string, string>) =>
    world.require(world.snapshots, params['group'] ?? '', params['name'] ?? '');
  return [
    ...readRoutes(world, world.snapshots, render),
    { method: 'PUT', path: paths.one, action: `${type}/write`, handle: (request) => create(world, request) },
    {
      method: 'DELETE',
      path: paths.one,
      action: `${type}/delete`,
      handle: (request) => remove(world, request),
    },
    patchTags(world, { table: world.snapshots, path: paths.one, render }),
    ...accessRoutes(world, {
      path: paths.one,
      type,
      find: (params) => {
        const snapshot = find(params);
        const { content } = snapshot;
        if (!content)
          throw conflict(
            'Conflict',
            `Snapshot '${snapshot.name}' is being provisioned or its provisioning failed.`,
          );
        return Promise.resolve({
          exported: snapshot,
          at: content.at,
          check: () => refuseExport(world, snapshot),
        });
      },
    }),
  ];
}

const body = z.object({
  location: z.string().min(1),
  tags: tagsSchema.optional(),
  sku: z.object({ name: z.string() }).optional(),
  properties: z.object({
    incremental: z.boolean().optional(),
    creationData: z.object({
      createOption: z.enum(['Copy', 'CopyStart']),
      sourceResourceId: z.string(),
    }),
  }),
});

async function create(world: World, { call, params, scope }: ArmRequest): Promise<Reply> {
  const group = world.group(params['group'] ?? '');
  const name = params['name'] ?? '';
  const asked = parseBody(body, call.body);
  if (name.length > maxNameLength || !/^[\w.-]+$/.test(name))
    throw badRequest(
      'InvalidParameter',
      `The name '${name}' of the snapshot is invalid: at most ${maxNameLength} of a-z, A-Z, 0-9, _ . and -.`,
    );
  const { createOption, sourceResourceId } = asked.properties.creationData;
  const source = sourceOf(world, sourceResourceId);
  authorizeLinked(
    world,
    { action: `${type}/write`, scope },
    { action: `${source.type}/beginGetAccess/action`, scope: sourceResourceId },
  );

  const known = world.snapshots.find(world.idOf(group.name, type, name));
  if (known) return update(world, { call, known, sourceId: sourceResourceId, tags: asked.tags });

  const snapshot: Snapshot = {
    ...world.resource(group, type, name, asked.tags),
    location: asked.location.toLowerCase().replaceAll(' ', ''),
    uniqueId: world.newId(),
    sku: asked.sku?.name ?? 'Standard_LRS',
    incremental: asked.properties.incremental ?? false,
    createOption,
    sourceId: sourceResourceId,
    disk: source.disk,
    provisioningState: 'Updating',
    grants: [],
  };
  if (['PremiumV2_LRS', 'UltraSSD_LRS'].includes(source.disk.sku) && !snapshot.incremental)
    throw badRequest(
      'InvalidParameter',
      `Only incremental snapshots can be made of disks of the type ${source.disk.sku}.`,
    );
  world.snapshots.put(snapshot);
  // The moment of a snapshot is the one at which it was asked for, not the end of the operation.
  const content = await source.freeze();
  return world.operations.start(
    call,
    {
      location: snapshot.location,
      kind: 'DiskOperations',
      succeed: () => {
        snapshot.content = content;
        snapshot.provisioningState = 'Succeeded';
        snapshot.copiedAtMs = copyOf(world, source.disk);
        return renderSnapshot(world, snapshot);
      },
      fail: () => {
        snapshot.provisioningState = 'Failed';
      },
    },
    renderSnapshot(world, snapshot),
  );
}

/** PUT over a snapshot changes its tags. What it was made of stays. */
function update(
  world: World,
  change: {
    call: ArmRequest['call'];
    known: Snapshot;
    sourceId: string;
    tags: Record<string, string> | undefined;
  },
): Promise<Reply> {
  const { call, known, sourceId, tags } = change;
  if (known.provisioningState === 'Updating')
    throw conflict('Conflict', `Another operation on snapshot '${known.name}' is in progress.`);
  if (known.sourceId.toLowerCase() !== sourceId.toLowerCase())
    throw conflict(
      'PropertyChangeNotAllowed',
      "Changing property 'creationData.sourceResourceId' is not allowed.",
      'creationData.sourceResourceId',
    );
  known.tags = tags ?? {};
  return world.operations.start(
    call,
    { location: known.location, kind: 'DiskOperations', succeed: () => renderSnapshot(world, known) },
    renderSnapshot(world, known),
  );
}

interface Source {
  type: string;
  disk: Disk;
  freeze: () => Promise<NonNullable<Snapshot['content']>>;
}

/** A disk, another snapshot, or a disk's restore point. */
function sourceOf(world: World, id: string): Source {
  const full = id.startsWith('/') ? id : `/${id}`;
  const disk = world.disks.find(full);
  if (disk) return { type: world.disks.type, disk, freeze: () => world.storage.freeze(disk.content) };
  const frozen = world.snapshots.find(full) ?? diskRestorePointAt(world, full);
  const content = frozen?.content;
  if (frozen && content)
    return {
      type:
        'uniqueId' in frozen
          ? type
          : 'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints',
      disk: frozen.disk,
      freeze: () => world.storage.copy(content),
    };
  const [, , , , group = '', , namespace, kind, name = ''] = full.split('/');
  throw notFound(`${namespace}/${kind}`, name, group);
}

async function remove(world: World, { call, params }: ArmRequest): Promise<Reply> {
  const group = world.group(params['group'] ?? '');
  const snapshot = world.snapshots.find(world.idOf(group.name, type, params['name'] ?? ''));
  if (!snapshot) return { status: 204 };
  if (hasActiveGrant(snapshot))
    throw conflict(
      'OperationNotAllowed',
      `There is an active shared access signature outstanding for disk ${snapshot.name}. Call EndGetAccess before attaching or deleting the disk.`,
    );
  return world.operations.start(call, {
    location: snapshot.location,
    kind: 'DiskOperations',
    succeed: async () => {
      world.snapshots.remove(snapshot.id);
      if (snapshot.content) await world.storage.remove(snapshot.content);
    },
  });
}

function refuseExport(world: World, snapshot: Snapshot): void {
  refuseWhileCopied(snapshot);
  refuseFullFamily(
    snapshot,
    world.snapshots.list().filter(({ disk }) => disk === snapshot.disk),
  );
}

function renderSnapshot(world: World, snapshot: Snapshot) {
  const { id, name, location, tags, disk, provisioningState } = snapshot;
  const { osType, generation, encryptionSettings, securityProfile } = disk;
  const percent = completionPercent(world, snapshot);
  return {
    name,
    id,
    type,
    location,
    tags,
    sku: { name: snapshot.sku, tier: snapshot.sku.split('_')[0] },
    properties: {
      ...(osType ? { osType } : {}),
      ...(generation ? { hyperVGeneration: generation } : {}),
      creationData: {
        createOption: snapshot.createOption,
        sourceResourceId: snapshot.sourceId,
        sourceUniqueId: disk.uniqueId,
      },
      diskSizeGB: Math.ceil(disk.sizeBytes / 2 ** 30),
      diskSizeBytes: disk.sizeBytes,
      encryption: encryptionOf(disk),
      ...(encryptionSettings ? { encryptionSettingsCollection: encryptionSettings } : {}),
      ...(securityProfile ? { securityProfile } : {}),
      incremental: snapshot.incremental,
      ...(snapshot.incremental ? { incrementalSnapshotFamilyId: disk.familyId } : {}),
      ...(percent === undefined ? {} : { completionPercent: percent }),
      ...(snapshot.copyError ? { copyCompletionError: snapshot.copyError } : {}),
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      timeCreated: snapshot.createdAt.toISOString(),
      provisioningState,
      diskState: hasActiveGrant(snapshot) ? 'ActiveSAS' : 'Unattached',
      uniqueId: snapshot.uniqueId,
    },
  };
}
