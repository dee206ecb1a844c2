import { CancellationScope, condition, patched, setHandler, workflowInfo } from '@temporalio/workflow';
import {
  leaseSecondsOf,
  type GateEntry,
  type GateInput,
  type GateNeed,
  type GateWord,
} from '../../contracts/gates.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import type { Tuning } from '../../contracts/steps.ts';
import type { RunRef } from '../../contracts/values.ts';
import { fleetActivities } from '../host-activities.ts';
import { gateWordSignal } from './messages.ts';

/** After so many leases a migration asks whether its gate still knows it: rarely, as many may wait for long. */
const leasesToAsk = 10;

export interface Visitor {
  run: RunRef;
  tuning: Tuning;
  /** What it does within, as people are told. */
  within: string;
  /** Shows people what it waits for. */
  say(doing: string): void;
}

/** A place that is held, or waited for. */
interface Place {
  gate: GateInput;
  entry: GateEntry;
}

/**
 * Does work behind gates: waits for its turn at each, and leaves them when the work has ended, however it ended. Work
 * without gates costs nothing.
 */
export function passGates<T>(
  needs: readonly GateNeed[],
  visitor: Visitor,
  work: () => Promise<T>,
): Promise<T> {
  // Migrations that were under way when gates came go on without.
  return needs.length === 0 || !patched('gates') ? work() : behindGates(needs, visitor, work);
}

async function behindGates<T>(
  needs: readonly GateNeed[],
  visitor: Visitor,
  work: () => Promise<T>,
): Promise<T> {
  const places: Place[] = [];
  try {
    for (const need of needs) {
      const place = placeOf(need, visitor);
      places.push(place);
      await turnAt(place, visitor);
    }
    visitor.say(visitor.within);
    return await work();
  } finally {
    await CancellationScope.nonCancellable(async () => {
      for (const { gate, entry } of places)
        // A place that could not be given back is taken back when the gate looks after those within.
        await fleetActivities('leave the gate')
          .callGate(gate, { leave: entry })
          .catch(() => undefined);
    });
  }
}

function placeOf({ key, weight }: GateNeed, { run, tuning: { leaseSeconds } }: Visitor): Place {
  return {
    gate: { key, ...(leaseSeconds === undefined ? {} : { tuning: { leaseSeconds } }) },
    entry: { ...run, turn: Date.now(), weight },
  };
}

/** Waits until the gate lets it in. A gate that somebody ended is started by those that wait. */
async function turnAt({ gate, entry }: Place, visitor: Visitor): Promise<void> {
  const { typedSearchAttributes, workflowId } = workflowInfo();
  const line = typedSearchAttributes.get(searchAttributes.batch) ?? workflowId;
  const askAfterMs = leasesToAsk * leaseSecondsOf(visitor.tuning) * 1000;
  let granted = false;
  const isGranted = () => granted;
  setHandler(gateWordSignal, (word: GateWord) => {
    if (word.key !== gate.key || word.turn !== entry.turn) return;
    granted ||= word.granted;
    if (!granted) visitor.say(`waits for its turn at ${word.key} (${word.before} before it)`);
  });
  while (!isGranted()) {
    // Not cancelled in between: it must not arrive after it has left.
    await CancellationScope.nonCancellable(() =>
      fleetActivities('wait for its turn').callGate(gate, { enter: entry, line }),
    );
    if (!isGranted())
      await condition(isGranted, askAfterMs, { summary: 'ask whether the gate still knows it' });
  }
}
