import { diskRoutes } from './disks.ts';
import { networkRoutes } from './network.ts';
import { restorePointRoutes } from './restore-points.ts';
import type { Route } from './router.ts';
import { sizeRoutes } from './sizes.ts';
import { snapshotRoutes } from './snapshots.ts';
import { subscriptionRoutes } from './subscriptions.ts';
import { virtualMachineRoutes } from './virtual-machines.ts';
import type { World } from './world.ts';

export const allRoutes = (world: World): Route[] => [
  ...subscriptionRoutes(world),
  ...virtualMachineRoutes(world),
  ...diskRoutes(world),
  ...snapshotRoutes(world),
  ...restorePointRoutes(world),
  ...networkRoutes(world),
  ...sizeRoutes(world),
  ...['operations', 'DiskOperations'].map((kind): Route => ({
    method: 'GET',
    path: `/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/${kind}/{operation}`,
    action: `Microsoft.Compute/locations/${kind}/read`,
    handle: ({ call, params }) => world.operations.ask(call, params['operation'] ?? ''),
  })),
];
