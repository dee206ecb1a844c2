import { namedLabels } from '../contracts/labels.ts';
import type { Placement, PlacementWishes, StepContext, Tuning } from '../contracts/steps.ts';
import { placementActivities } from './host-activities.ts';

/**
 * Finds the host: the one that the spec names, or one that takes the VM.
 *
 * @param say shows people what it waits for, since nobody may ever answer
 */
export async function place(
  ctx: StepContext,
  tuning: Tuning,
  { wishes, say }: { wishes?: PlacementWishes; say?: (doing: string) => void } = {},
): Promise<Placement> {
  const { host, labels = [] } = ctx.spec.target;
  if (host !== 'any') return { hostId: host };
  if (labels.length > 0) say?.(`waits for a host with ${namedLabels(labels)}`);
  // One of them leads to hosts that have it; those look for the others themselves.
  const { placeVm } = placementActivities(tuning, labels[0]);
  return wishes === undefined ? placeVm(ctx) : placeVm(ctx, wishes);
}
