/** Workflow tasks; any worker takes them. */
export const workflowTaskQueue = 'longhaul';
/** Placement: whoever has a free slot and enough room takes the VM. */
export const placementTaskQueue = 'longhaul-placement';

/** Lists of what sources hold, where any host may look. */
export const inventoryTaskQueue = 'longhaul-inventory';

/** The queue of one host's own activities. Host ids are stable, so that partial files survive a restart. */
export function hostTaskQueue(hostId: string): string {
  return `longhaul-host-${hostId}`;
}

/** The queue of one host's compensations: they must not wait behind the steps of other VMs. */
export function undoTaskQueue(hostId: string): string {
  return `longhaul-undo-${hostId}`;
}

/** How a worker calls itself to Temporal. */
export function workerIdentity(hostId: string, pid: number): string {
  return `${hostId}/${pid}`;
}
