import {
  ApplicationFailure,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { isLimit, leaseSecondsOf, maxLimit, type GateInput } from '../../contracts/gates.ts';
import { fleetActivities } from '../host-activities.ts';
import { gateDetails } from './gate-details.ts';
import { GateState, type Telling } from './gate-state.ts';
import { gateCallSignal, gateQuery, gateWordSignal, setLimitUpdate } from './messages.ts';

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
  private changes = 0;
  private lookAt: number;

  constructor(input: GateInput) {
    this.input = input;
    const state = (this.state = new GateState(input));
    this.lookAt = input.lookAt ?? Date.now() + this.lookMs;
    setHandler(gateQuery, () => state.book);
    setHandler(gateCallSignal, (call) => void this.after(() => state.noteCall(call)));
    setHandler(setLimitUpdate, (limit) => this.after(() => (state.book.limit = limit)), {
      validator: (limit: number) => {
        if (!isLimit(limit))
          throw ApplicationFailure.nonRetryable(`not a number from 0 to ${maxLimit}`, 'OPTION_INVALID');
      },
    });
  }

  async run(): Promise<void> {
    for (;;) {
      const seen = this.changes;
      await Promise.all(this.state.turn().map((telling) => this.tell(telling)));
      setCurrentDetails(gateDetails(this.input.key, this.state.book));
      if (seen !== this.changes) continue;
      await this.continueIfLong();
      if ((await this.untilChange(seen)) === 'idle') return;
    }
  }

  private async untilChange(seen: number): Promise<'idle' | undefined> {
    const { state } = this;
    const changed = () => this.changes !== seen;
    if (state.isIdle) return (await condition(changed, this.idleMs)) ? undefined : 'idle';
    if (state.book.holders.length === 0) await condition(changed);
    else if (!(await condition(changed, Math.max(1, this.lookAt - Date.now())))) await this.look();
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
      this.after(() => this.state.leave(entry));
    }
  }

  private async continueIfLong(): Promise<void> {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    if (historyLength < (this.input.tuning?.historyEvents ?? defaultHistoryEvents) && !continueAsNewSuggested)
      return;
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

  /** A message changes something, and the loop looks what is to be done now. */
  private after(change: () => unknown): null {
    change();
    this.changes += 1;
    return null;
  }
}
