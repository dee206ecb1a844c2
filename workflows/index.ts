/** The entry of the workflow bundle: what a worker can run. */
export { migrateBatch } from './batch/migrate-batch.ts';
export { migratePage } from './batch/migrate-page.ts';
export { sourceGate } from './gate/source-gate.ts';
export { cleanUpHost } from './host/clean-up-host.ts';
export { keepHost } from './host/keep-host.ts';
export { keepLedger } from './ledger/keep-ledger.ts';
export { inventoryAzure } from './inventory-azure.ts';
export { migrateVm } from './migrate-vm.ts';
export { planVm } from './plan-vm.ts';
