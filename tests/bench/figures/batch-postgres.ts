import type { Say } from '../../guests/lib/run.ts';
import { startSite } from '../../support/site/site.ts';
import type { Figure } from '../figure.ts';
import { batchFigures, onPlane, type OnNewServer } from './batch.ts';

const onSite: OnNewServer = async (measure) => {
  const site = await startSite();
  try {
    return await onPlane(site, measure);
  } finally {
    await site.stop();
  }
};

/** The same as `batchFigures` on what a site runs: Temporal on PostgreSQL with mutual TLS. */
export function batchPostgresFigures(say: Say): Promise<Figure[]> {
  say('Temporal on PostgreSQL; its server is built the first time, which takes minutes');
  return batchFigures(say, onSite, ', on PostgreSQL');
}
