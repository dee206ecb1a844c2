import type { Say } from '../../guests/lib/run.ts';
import { startControlPlane } from '../../support/control-plane.ts';
import { startSite } from '../../support/site/site.ts';
import type { Figure } from '../figure.ts';
import { batchFigures } from './batch.ts';

/** The same as `batchFigures` on what a site runs: Temporal on PostgreSQL with mutual TLS. */
export async function batchPostgresFigures(say: Say): Promise<Figure[]> {
  say('Temporal on PostgreSQL; its server is built the first time, which takes minutes');
  const site = await startSite();
  try {
    return await batchFigures(say, () => startControlPlane(site), ', on PostgreSQL');
  } finally {
    await site.stop();
  }
}
