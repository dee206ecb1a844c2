import type { ComputeManagementClient } from '@azure/arm-compute';
import type { RunRef } from '../../../contracts/values.ts';
import type { AzureConnection } from './connect.ts';
import { tags } from './made.ts';
import { resourceGroupOf } from './resources.ts';
import { deleteCollection } from './restore-point.ts';
import { deleteSnapshot, type SnapshotPlace } from './snapshots.ts';

export const leftoverKinds = ['snapshot', 'restore point collection'] as const;

/** Something with our tags in Azure: it belongs to a migration that is under way, or was forgotten. */
export interface Leftover {
  kind: (typeof leftoverKinds)[number];
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
  timeCreated?: Date;
}

/** Where migrations are looked for: a resource group, or the whole subscription. */
interface Where {
  azure: AzureConnection;
  compute: ComputeManagementClient;
  group?: string;
}

/** All of a kind that migrations made and that is still there: the pages of a listing. */
export async function listLeftovers(
  kind: Leftover['kind'],
  { azure, compute, group }: Where,
): Promise<Leftover[]> {
  const { snapshots, restorePointCollections: collections } = compute;
  const list = {
    snapshot: () => (group === undefined ? snapshots.list() : snapshots.listByResourceGroup(group)),
    'restore point collection': () => (group === undefined ? collections.listAll() : collections.list(group)),
  }[kind];
  return azure.ask(`list the ${kind}s of ${group ?? 'the subscription'}`, async () => {
    const found: Leftover[] = [];
    for await (const one of list()) found.push(...leftoverOf(kind, one));
    return found;
  });
}

/** None, when it lacks our tags. */
function leftoverOf(kind: Leftover['kind'], { id, name, tags: its, timeCreated }: Tagged): Leftover[] {
  const migrationId = its?.[tags.migration];
  const runId = its?.[tags.run];
  const resourceGroup = resourceGroupOf(id ?? '');
  if (migrationId === undefined || runId === undefined) return [];
  if (name === undefined || resourceGroup === undefined) return [];
  const createdAt = timeCreated === undefined ? {} : { createdAt: timeCreated.toISOString() };
  return [{ kind, name, resourceGroup, run: { migrationId, runId }, ...createdAt }];
}

/** Removes one, all access to it first. One that is gone meanwhile is no error. */
export async function removeLeftover(
  { kind, resourceGroup, name }: Pick<Leftover, 'kind' | 'resourceGroup' | 'name'>,
  through: Pick<SnapshotPlace, 'azure' | 'compute' | 'io'>,
): Promise<void> {
  const remove = kind === 'snapshot' ? deleteSnapshot : deleteCollection;
  await remove({ ...through, source: { resourceGroup } }, name);
}
