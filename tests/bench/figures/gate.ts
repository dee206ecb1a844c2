import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import type { Say } from '../../guests/lib/run.ts';
import { startControlPlane } from '../../support/control-plane.ts';
import { gate as stop } from '../../support/scripted-host.ts';
import { gateSite, waitingOf } from '../../workflow/gate/gate-site.ts';
import { rounded, type Figure } from '../figure.ts';

const migrations = 50;
const limit = 5;
const leaseSeconds = 4;
const killEveryMs = 1_000;

/** Whether a gate holds its limit, and loses no place, when those within are killed at random. */
export async function gateFigures(say: Say): Promise<Figure[]> {
  say(
    `gate: ${migrations} migrations at a limit of ${limit}, one within killed every ${killEveryMs / 1000} s`,
  );
  const places = new Places();
  const plane = await startControlPlane();
  const acquire = async () => {
    const { workflowExecution } = Context.current().info;
    const id = workflowExecution?.workflowId ?? '';
    places.take(id);
    const held = stop();
    setTimeout(held.open, 500 + Math.random() * 2_000);
    await held.wait().finally(() => places.free(id));
  };
  const host = await plane.host({ acquire }, migrations);
  let kills = 0;
  try {
    const { source, book, setLimit } = await gateSite(plane, 0, { leaseSeconds });
    const handles: WorkflowHandle[] = [];
    for (let one = 0; one < migrations; one += 1)
      handles.push(await host.start({ source }, { leaseSeconds }));
    // All stand in line before it opens: what is measured is the gate, not how fast migrations begin.
    while (waitingOf(await book()) < migrations) await sleep(200);
    await setLimit(limit);
    const all = Promise.allSettled(handles.map((handle) => handle.result())).then(() => 'ended' as const);
    while ((await Promise.race([all, sleep(killEveryMs)])) !== 'ended') {
      const victim = places.any();
      if (victim === undefined) continue;
      // Its fetch hears of it with its next heartbeat; its place counts as free from now on.
      places.free(victim);
      await handles.find(({ workflowId }) => workflowId === victim)?.terminate('by the bench');
      kills += 1;
    }
  } finally {
    await host.stop();
    await plane.stop();
  }
  say(`gate: ${kills} killed`);
  const readings = { secondsFree: rounded(places.secondsFree), within: [places.most], kills: [kills] };
  return [
    {
      name: 'gate, limit',
      measured: `${migrations} migrations, ${kills} of them killed within; most within at once`,
      value: places.most,
      unit: 'holders',
      bound: limit,
      readings,
    },
    {
      name: 'gate, place lost',
      measured: `the same; longest that a place stayed free while others waited; lease ${leaseSeconds} s`,
      value: Math.max(...places.secondsFree),
      unit: 's',
      bound: leaseSeconds,
      readings,
    },
  ];
}

/** Who is within, and how long places stay free. */
class Places {
  readonly secondsFree: number[] = [];
  most = 0;
  private readonly within = new Set<string>();
  private readonly freeSince: number[] = [];

  take(id: string): void {
    this.within.add(id);
    this.most = Math.max(this.most, this.within.size);
    const since = this.freeSince.shift();
    if (since !== undefined) this.secondsFree.push((performance.now() - since) / 1000);
  }

  free(id: string): void {
    if (this.within.delete(id)) this.freeSince.push(performance.now());
  }

  any(): string | undefined {
    return [...this.within][Math.floor(Math.random() * this.within.size)];
  }
}
