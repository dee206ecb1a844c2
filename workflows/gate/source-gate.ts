import {
  ApplicationFailure,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import { isLimit, leaseSecondsOf, maxLimit, type GateInput } from '../../contracts/gates.ts';
import { Changes, isLong } from '../changes.ts';
import { fleetActivities } from '../host-activities.ts';
import { gateDetails } from './gate-details.ts';
import { GateState, type Telling } from './gate-state.ts';
import { gateCallSignal, gateQuery, gateWordSignal, setBudgetUpdate, setLimitUpdate } from './messages.ts';

const defaultIdleSeconds = 600;
const defaultHistoryEvents = 4000;

/**
 * Lets only so many disks be fetched from one place at once. Places are leased: what a migration held that is gone is
 * taken back within a lease, however it went. Ends when nobody came for long.
 */
export async function sourceGate(input: GateInput): Promise<void> {
  await new Gate(input).run();
}

class Gate {
  private readonly input: GateInput;
  private readonly state: GateState;
  private readonly changes = new Changes();
  private lookAt: number;

  constructor(input: GateInput) {
    this.input = input;
    const state = (this.state = new GateState(input));
    this.lookAt = input.lookAt ?? Date.now() + this.lookMs;
    setHandler(gateQuery, () => state.book);
    setHandler(gateCallSignal, (call) => void this.changes.after(() => state.noteCall(call)));
    setHandler(setLimitUpdate, (limit) => this.changes.after(() => (state.book.limit = limit)), {
      validator: (limit: number) => {
        if (!isLimit(limit))
          throw ApplicationFailure.nonRetryable(`not a number from 0 to ${maxLimit}`, 'OPTION_INVALID');
      },
    });
    setHandler(setBudgetUpdate, (budget) => this.changes.after(() => state.noteBudget(budget)), {
      validator: (budget: number | null) => {
        if (budget !== null && !(Number.isFinite(budget) && budget > 0))
          throw ApplicationFailure.nonRetryable('not a number of bytes above 0', 'OPTION_INVALID');
      },
    });
  }

  async run(): Promise<void> {
    for (;;) {
      const { seen } = this.changes;
      await Promise.all(this.state.turn().map((telling) => this.tell(telling)));
      setCurrentDetails(gateDetails(this.input.key, this.state.book));
      if (seen !== this.changes.seen) continue;
      await this.continueIfLong();
      if ((await this.untilChange(seen)) === 'idle') return;
    }
  }

  private async untilChange(seen: number): Promise<'idle' | undefined> {
    const { state } = this;
    if (state.isIdle)
      return (await this.changes.untilAfter(seen, this.idleMs, 'end, as nobody came')) ? undefined : 'idle';
    const ms = state.book.holders.length === 0 ? Infinity : Math.max(1, this.lookAt - Date.now());
    if (!(await this.changes.untilAfter(seen, ms, 'look after those within'))) await this.look();
    return undefined;
  }

  /** Who waits and is gone is noticed when its turn comes: it cannot be told. */
  private async look(): Promise<void> {
    const holders = this.state.book.holders.map(({ migrationId, runId }) => ({ migrationId, runId }));
    const ended = await fleetActivities('look after those within').findEndedRuns(holders);
    this.state.noteEnded(ended);
    this.lookAt = Date.now() + this.lookMs;
  }

  private async tell({ entry, word }: Telling): Promise<void> {
    try {
      await getExternalWorkflowHandle(entry.migrationId).signal(gateWordSignal, word);
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.changes.after(() => this.state.leave(entry));
    }
  }

  private async continueIfLong(): Promise<void> {
    if (!isLong(this.input.tuning?.historyEvents ?? defaultHistoryEvents)) return;
    const { key, tuning } = this.input;
    const { book } = this.state;
    await continueAsNew<typeof sourceGate>({ key, book, lookAt: this.lookAt, ...(tuning ? { tuning } : {}) });
  }

  /** Twice a lease: so no place is lost for longer than one. */
  private get lookMs(): number {
    return leaseSecondsOf(this.input.tuning) * 500;
  }

  private get idleMs(): number {
    return (this.input.tuning?.idleSeconds ?? defaultIdleSeconds) * 1000;
  }
}
