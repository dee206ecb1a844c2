import { Worker, type WorkerOptions } from '@temporalio/worker';
import {
  hostTaskQueue,
  inventoryTaskQueue,
  placementTaskQueue,
  undoTaskQueue,
  workerIdentity,
} from '../contracts/queues.ts';
import type {
  FleetActivities,
  HostActivities,
  InventoryActivities,
  PlacementActivities,
  UndoActivities,
} from '../contracts/steps.ts';

/** Compensations at once. They are short, and wait for nothing that a step holds. */
const undoSlots = 4;
/** Listings of sources at once, for whoever asks. */
const inventorySlots = 2;

export interface HostQueues {
  hostId: string;
  /** Steps at once. */
  slots: number;
  steps: HostActivities;
  undo: UndoActivities;
  placement: PlacementActivities;
  fleet: FleetActivities;
  inventory: InventoryActivities;
}

/**
 * The workers of one host: its steps, its compensations, its part in placement and in looking for VMs. Compensations have a queue
 * of their own, because a queue is one line: behind steps that copy for hours they would come too late.
 */
export async function createHostWorkers(
  shared: Omit<WorkerOptions, 'taskQueue'>,
  { hostId, slots, steps, undo, placement, fleet, inventory }: HostQueues,
): Promise<Worker[]> {
  const options = { ...shared, identity: workerIdentity(hostId, process.pid) };
  return [
    await Worker.create({
      ...options,
      taskQueue: hostTaskQueue(hostId),
      activities: steps,
      maxConcurrentActivityTaskExecutions: slots,
    }),
    await Worker.create({
      ...options,
      taskQueue: undoTaskQueue(hostId),
      activities: { ...undo, ...inventory },
      maxConcurrentActivityTaskExecutions: undoSlots,
    }),
    await Worker.create({
      ...options,
      taskQueue: inventoryTaskQueue,
      activities: inventory,
      maxConcurrentActivityTaskExecutions: inventorySlots,
    }),
    await Worker.create({
      ...options,
      taskQueue: placementTaskQueue,
      activities: { ...placement, ...fleet },
      maxConcurrentActivityTaskExecutions: 1,
    }),
  ];
}
