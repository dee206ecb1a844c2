import type { Say } from '../../guests/lib/run.ts';
import { startControlPlane } from '../../support/control-plane.ts';
import { rounded, type Figure } from '../figure.ts';
import { median } from '../rounds.ts';

const runs = 15;

/** What Temporal itself costs a migration: every step answers at once. */
export async function controlPlaneFigures(say: Say): Promise<Figure[]> {
  say(`control plane: ${runs} migrations whose steps do nothing`);
  const plane = await startControlPlane();
  const seconds: number[] = [];
  const events: number[] = [];
  try {
    for (let run = 0; run < runs; run += 1) {
      await plane.migrating({}, {}, async (handle) => {
        await handle.result();
        const { startTime, closeTime, historyLength } = await handle.describe();
        if (!closeTime) throw new Error('the migration has not ended');
        seconds.push((closeTime.getTime() - startTime.getTime()) / 1000);
        events.push(historyLength);
      });
    }
  } finally {
    await plane.stop();
  }
  const readings = { seconds: rounded(seconds), events };
  return [
    {
      name: 'control plane, history',
      measured: 'a migration with no-op activities',
      value: Math.max(...events),
      unit: 'events',
      bound: 150,
      readings,
    },
    {
      name: 'control plane, time',
      measured: 'a migration with no-op activities, median, start to close as the server has it',
      value: median(seconds),
      unit: 's',
      bound: 1,
      readings,
    },
  ];
}
