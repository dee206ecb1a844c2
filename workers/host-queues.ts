import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { DeskActivities } from '../contracts/hosts.ts';
import {
  hostTaskQueue,
  inventoryTaskQueue,
  labelTaskQueue,
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

/** Compensations at once, which are short and wait for nothing that a step holds; and room for watch and greeting. */
const undoSlots = 4 + 2;
const placementSlots = 4;
/** Listings of sources at once, for whoever asks. */
const inventorySlots = 2;

type Shared = Omit<WorkerOptions, 'taskQueue'>;

export interface HostQueues {
  hostId: string;
  /** Steps at once. */
  slots: number;
  steps: HostActivities;
  undo: UndoActivities;
  inventory: InventoryActivities;
  /** Of a host that is kept in the host book. */
  desk?: DeskActivities;
}

export interface PlacementQueues {
  hostId: string;
  labels: readonly string[];
  placement: PlacementActivities;
  fleet: FleetActivities;
}

/**
 * The workers of one host for its steps and its compensations, and for looking for VMs. Compensations have a queue of
 * their own, because a queue is one line: behind steps that copy for hours they would come too late.
 */
export async function createHostWorkers(
  shared: Shared,
  { hostId, slots, steps, undo, inventory, desk }: HostQueues,
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
      activities: { ...undo, ...inventory, ...desk },
      maxConcurrentActivityTaskExecutions: undoSlots,
    }),
    await Worker.create({
      ...options,
      taskQueue: inventoryTaskQueue,
      activities: inventory,
      maxConcurrentActivityTaskExecutions: inventorySlots,
    }),
  ];
}

/** The workers for a host's part in placement: of any VM, and of those that ask for one of its labels. */
export function createPlacementWorkers(
  shared: Shared,
  { hostId, labels, placement, fleet }: PlacementQueues,
): Promise<Worker[]> {
  const options = {
    ...shared,
    identity: workerIdentity(hostId, process.pid),
    // A file system that hangs must not hold up the others; slots and room are taken without a pause.
    maxConcurrentActivityTaskExecutions: placementSlots,
  };
  return Promise.all([
    Worker.create({ ...options, taskQueue: placementTaskQueue, activities: { ...placement, ...fleet } }),
    ...labels.map((label) =>
      Worker.create({ ...options, taskQueue: labelTaskQueue(label), activities: { ...placement } }),
    ),
  ]);
}
