import type { ComputeManagementClient } from '@azure/arm-compute';
import type { RunRef } from '../../../contracts/values.ts';
import type { AzureConnection } from './connect.ts';
import { tags } from './made.ts';
import { resourceGroupOf } from './resources.ts';
import { deleteCollection } from './restore-point.ts';
import { deleteSnapshot } from './snapshots.ts';

/** Something with our tags in Azure: it belongs to a migration that is under way, or was forgotten. */
export interface Leftover {
  kind: 'snapshot' | 'restore point collection';
  name: string;
  resourceGroup: string;
  /** ISO 8601, where Azure tells. */
  createdAt?: string;
  run: RunRef;
}

interface Tagged {
  id?: string;
  name?: string;
  tags?: Record<string, string>;
}

/** All that migrations made in a subscription, or a group of it, and that is still there: the pages of two listings. */
export async function listLeftovers(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  group?: string,
): Promise<Leftover[]> {
  const where = group === undefined ? 'the subscription' : group;
  const found: Leftover[] = [];
  const note = (kind: Leftover['kind'], resource: Tagged, createdAt?: Date) => {
    const migrationId = resource.tags?.[tags.migration];
    const runId = resource.tags?.[tags.run];
    const resourceGroup = resourceGroupOf(resource.id ?? '');
    const { name } = resource;
    if (migrationId === undefined || runId === undefined || resourceGroup === undefined) return;
    if (name === undefined) return;
    const run = { migrationId, runId };
    found.push({
      ...{ kind, name, resourceGroup, run },
      ...(createdAt === undefined ? {} : { createdAt: createdAt.toISOString() }),
    });
  };
  const { snapshots, restorePointCollections: collections } = compute;
  await azure.ask(`list the snapshots of ${where}`, async () => {
    const all = group === undefined ? snapshots.list() : snapshots.listByResourceGroup(group);
    for await (const snapshot of all) note('snapshot', snapshot, snapshot.timeCreated);
  });
  await azure.ask(`list the restore point collections of ${where}`, async () => {
    const all = group === undefined ? collections.listAll() : collections.list(group);
    for await (const collection of all) note('restore point collection', collection);
  });
  return found;
}

/** Removes one, all access to it first. One that is gone meanwhile is no error. */
export async function removeLeftover(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  { kind, resourceGroup, name }: Pick<Leftover, 'kind' | 'resourceGroup' | 'name'>,
  signal: AbortSignal,
): Promise<void> {
  const remove = kind === 'snapshot' ? deleteSnapshot : deleteCollection;
  await remove(azure, compute, resourceGroup, name, signal);
}
