import { ApplicationFailure } from '@temporalio/workflow';
import type { LeftoverInput } from '../../contracts/steps.ts';
import { Compensations } from '../compensations.ts';
import { cleaningActivities } from '../host-activities.ts';

/**
 * Removes what a run has left on a host that it was taken from, whenever that host is back: what it made at the source,
 * its domain, its disks and work files. Outlives the migration, which goes on elsewhere.
 *
 * @throws ApplicationFailure that says what could not be removed
 */
export async function cleanUpHost({ hostId, run, spec }: LeftoverInput): Promise<void> {
  const ctx = { run, spec };
  const cleaning = cleaningActivities(hostId);
  const undo = new Compensations();
  // The disks of a domain that cannot be removed stay: it may run.
  undo.add('domain, disks and work files', async () => {
    await cleaning.undefineDomain(ctx);
    await cleaning.discardWork(ctx, { purgeDisks: true });
  });
  if (spec.source.kind === 'azure')
    undo.add('source', () => cleaning.releaseSource(ctx, { restart: false, handedOver: true }));
  const left = await undo.run();
  if (left.length > 0) throw ApplicationFailure.nonRetryable(left.join('; '), 'LEFTOVERS_REMAIN');
}
