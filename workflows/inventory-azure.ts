import { isCancellation } from '@temporalio/workflow';
import type { AzureInventory } from '../contracts/azure-inventory.ts';
import type { InventoryInput } from '../contracts/steps.ts';
import { migrationFailure, stepFailureOf } from './failures.ts';
import { hostActivities } from './host-activities.ts';

/** The VMs of a subscription as a host sees them, with the login that it has. Only reads. */
export async function inventoryAzure({ hostId, request }: InventoryInput): Promise<AzureInventory> {
  const host = hostActivities(hostId, { retryMaximumAttempts: 2 });
  try {
    return await host('list the VMs of Azure', 'short').listAzureVms(request);
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw migrationFailure(stepFailureOf(error), error);
  }
}
