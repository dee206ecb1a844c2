import { z } from 'zod';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { AzureConnection } from './connect.ts';
import { parseAnswer } from './listing.ts';
import { fits } from '../../../contracts/wildcards.ts';

/**
 * Every action that Longhaul asks of Azure, by what it is for. The role in SECURITY.md is made of the same list.
 * https://learn.microsoft.com/azure/role-based-access-control/permissions/compute
 */
export const actions = {
  /** Of the subscription: sizes, and how far long operations are. Azure lets most accounts ask the latter anyway. */
  subscription: [
    'Microsoft.Compute/skus/read',
    'Microsoft.Compute/locations/operations/read',
    'Microsoft.Compute/locations/diskOperations/read',
  ],
  /** Of the VM, where it is. */
  machine: [
    'Microsoft.Authorization/permissions/read',
    'Microsoft.Compute/virtualMachines/read',
    'Microsoft.Compute/virtualMachines/instanceView/read',
    'Microsoft.Compute/disks/read',
    'Microsoft.Network/networkInterfaces/read',
  ],
  /** Of each disk: a snapshot needs it too. */
  disk: ['Microsoft.Compute/disks/read', 'Microsoft.Compute/disks/beginGetAccess/action'],
  /** Of a disk with a key of the customer's. */
  encryptionSet: ['Microsoft.Compute/diskEncryptionSets/read'],
  snapshots: [
    'Microsoft.Compute/snapshots/read',
    'Microsoft.Compute/snapshots/write',
    'Microsoft.Compute/snapshots/delete',
    'Microsoft.Compute/snapshots/beginGetAccess/action',
    'Microsoft.Compute/snapshots/endGetAccess/action',
    // What is to be taken back is looked for, of whatever kind it is.
    'Microsoft.Compute/restorePointCollections/read',
  ],
  /** Of `whenRunning: snapshot`. */
  restorePoints: [
    'Microsoft.Compute/restorePointCollections/write',
    'Microsoft.Compute/restorePointCollections/delete',
    'Microsoft.Compute/restorePointCollections/restorePoints/read',
    'Microsoft.Compute/restorePointCollections/restorePoints/write',
    'Microsoft.Compute/restorePointCollections/restorePoints/delete',
    'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/read',
    'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/beginGetAccess/action',
    'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints/endGetAccess/action',
  ],
  /** Of `whenRunning: stop`. */
  power: [
    'Microsoft.Compute/virtualMachines/powerOff/action',
    'Microsoft.Compute/virtualMachines/start/action',
  ],
} as const satisfies Record<string, readonly string[]>;

/** What a migration does in the VM's resource group, by what the spec says of a VM that runs. */
export function actionsInGroup(whenRunning: AzureSourceSpec['whenRunning']): string[] {
  return [
    ...actions.machine,
    ...actions.disk,
    ...actions.snapshots,
    ...(whenRunning === 'snapshot' ? actions.restorePoints : []),
    ...(whenRunning === 'stop' ? actions.power : []),
  ];
}

const grants = z.object({
  value: z
    .array(
      z.object({
        actions: z.array(z.string().max(512)).max(10_000).nullish(),
        notActions: z.array(z.string().max(512)).max(10_000).nullish(),
      }),
    )
    .max(1_000),
  nextLink: z.string().max(8192).nullish(),
});

/** What one role allows. */
export interface Grant {
  actions: readonly string[];
  notActions: readonly string[];
}

/** A role takes away by `notActions` only what it gives itself; another role may give it all the same. */
export function isAllowed(action: string, roles: readonly Grant[]): boolean {
  return roles.some(
    (role) =>
      role.actions.some((pattern) => fits(pattern, action)) &&
      !role.notActions.some((pattern) => fits(pattern, action)),
  );
}

const maxPages = 50;

/**
 * Those of the actions that the account may not do in a resource group.
 * https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group
 *
 * @throws LonghaulError AZURE_DENIED when the account may not even ask.
 */
export async function missingActions(
  azure: AzureConnection,
  { subscription, resourceGroup }: { subscription: string; resourceGroup: string },
  wanted: readonly string[],
): Promise<string[]> {
  const doing = `list what the account may do in ${resourceGroup}`;
  const group = `/subscriptions/${subscription}/resourceGroups/${encodeURIComponent(resourceGroup)}`;
  const roles: Grant[] = [];
  let next: string | undefined =
    `${group}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01`;
  for (let page = 0; next !== undefined && page < maxPages; page += 1) {
    const { body } = await azure.send(doing, { method: 'GET', path: next });
    const { value, nextLink } = parseAnswer(doing, grants, body);
    for (const { actions: given, notActions } of value)
      roles.push({ actions: given ?? [], notActions: notActions ?? [] });
    next = nextLink ?? undefined;
  }
  return [...new Set(wanted)].filter((action) => !isAllowed(action, roles));
}
