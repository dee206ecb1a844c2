/** The entry of the workflow bundle: what a worker can run. */
export { migrateVm } from './migrate-vm.ts';
export { planVm } from './plan-vm.ts';
