import type { Say } from '../../guests/lib/run.ts';
import { startSite } from '../../support/site/site.ts';
import type { Figure } from '../figure.ts';
import { batchFigures } from './batch.ts';

/** The same as `batchFigures` on what a site runs: Temporal on PostgreSQL with mutual TLS. */
export async function batchPostgresFigures(say: Say): Promise<Figure[]> {
  say('Temporal on PostgreSQL; its server is built the first time, which takes minutes');
  const site = await startSite();
  try {
    const figures = await batchFigures(say, site);
    return figures.map((figure) => ({ ...figure, name: `${figure.name}, on PostgreSQL` }));
  } finally {
    await site.stop();
  }
}
