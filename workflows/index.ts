/** The entry of the workflow bundle: what a worker can run. */
export { inventoryAzure } from './inventory-azure.ts';
export { migrateVm } from './migrate-vm.ts';
export { planVm } from './plan-vm.ts';
