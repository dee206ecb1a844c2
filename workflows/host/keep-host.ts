import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { standingOf, type DeskActivities, type DrainAnswer, type HostInput } from '../../contracts/hosts.ts';
import { undoTaskQueue } from '../../contracts/queues.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import { isLong } from '../changes.ts';
import { fleetActivities } from '../host-activities.ts';
import { hostDetails } from './host-details.ts';
import { HostState } from './host-state.ts';
import { hereSignal, setDrainedUpdate } from './messages.ts';

const defaults = { heartbeatSeconds: 20, graceSeconds: 15, historyEvents: 2000 };
/** A host that is there hears of a change within this. */
const hearingMs = 5_000;
/** So long, in times of grace, until migrations that come to a host that is gone are told for the first time. */
const gracesToTell = 8;
const mostMsToTell = 12 * 3_600_000;

/**
 * The book of one host: what it is like, whether it takes VMs, whether it is there. It greets the host, however long
 * that takes, and then watches it to the end of its worker; and so on. Nobody polls.
 */
export async function keepHost(input: HostInput): Promise<void> {
  await new HostKeeper(input).run();
}

class HostKeeper {
  private readonly hostId: string;
  private readonly tuning: typeof defaults;
  private readonly input: HostInput;
  private readonly state: HostState;
  /** The activity that is open on the host. */
  private open: { what: 'greet' | 'watch'; scope: CancellationScope } | undefined;
  /** Words to migrations that are on their way. */
  private telling = 0;
  private shown = '';

  constructor(input: HostInput) {
    this.input = input;
    this.hostId = input.hostId;
    this.tuning = { ...defaults, ...input.tuning };
    this.state = new HostState(input.book);
    setHandler(hereSignal, () => {
      // Whom the old worker answered to is not there any more: the new one is to be greeted.
      if (this.open?.what === 'watch') this.open.scope.cancel();
    });
    setHandler(setDrainedUpdate, (drained) => this.setDrained(drained));
  }

  async run(): Promise<void> {
    this.show();
    for (;;) {
      await this.greet();
      await this.continueIfLong();
      await this.watch();
    }
  }

  private async setDrained(drained: boolean): Promise<DrainAnswer> {
    if (this.state.setDrained(drained)) {
      this.show();
      this.open?.scope.cancel();
    }
    await condition(() => this.state.isSettled, hearingMs);
    return { heard: this.state.heeds === drained };
  }

  /** Until the host has answered, which may take weeks. That it is gone is said after a while. */
  private async greet(): Promise<void> {
    const { state } = this;
    const { drained } = state.book;
    const since = now();
    const greeting = this.onHost('greet', (desk) => desk.greet({ drained }));
    if (!(await settles(greeting, this.tuning.graceSeconds * 1000, 'take the host for gone'))) {
      if (state.noteGone(since)) {
        this.show();
        this.tell();
      }
      await this.tellNewOnes(greeting);
    }
    const facts = await greeting;
    if (facts === undefined) return;
    const isBack = state.noteGreeted(facts, drained, now());
    this.show();
    if (isBack) this.tell();
  }

  /** Migrations that come to a host that is gone hear of it too: within minutes at first, then within half a day. */
  private async tellNewOnes(greeting: Promise<unknown>): Promise<void> {
    // A host that was gone when this came goes on without.
    if (!patched('hosts-2')) return;
    let ms = gracesToTell * this.tuning.graceSeconds * 1000;
    while (!(await settles(greeting, ms, 'tell migrations that have come to it'))) {
      this.tell();
      ms = Math.min(2 * ms, mostMsToTell);
    }
  }

  /** For as long as the worker lives and nothing is to be said to it. */
  private async watch(): Promise<void> {
    if (this.state.heeds !== this.state.book.drained) return;
    try {
      await this.onHost('watch', (desk) => desk.watch());
    } catch (error) {
      if (isCancellation(error)) throw error;
      // It was lost; or it cannot be watched, which must not be tried without end.
      if (error instanceof Error && error.cause instanceof ApplicationFailure)
        await sleep(this.tuning.graceSeconds * 1000, { summary: 'watch the host again' });
    }
    this.state.noteUnsure();
  }

  /** @returns undefined when it was stopped because there is something new to say */
  private async onHost<T>(
    what: 'greet' | 'watch',
    work: (desk: DeskActivities) => Promise<T>,
  ): Promise<T | undefined> {
    const scope = new CancellationScope();
    this.open = { what, scope };
    try {
      return await scope.run(() => work(this.desk(what)));
    } catch (error) {
      if (scope.consideredCancelled && !CancellationScope.current().consideredCancelled) return undefined;
      throw error;
    } finally {
      this.open = undefined;
    }
  }

  private desk(what: 'greet' | 'watch'): DeskActivities {
    const shared = { taskQueue: undoTaskQueue(this.hostId), summary: `${what} the host` };
    return proxyActivities<DeskActivities>(
      what === 'greet'
        ? { ...shared, startToCloseTimeout: '10 seconds', retry: { maximumInterval: '10 seconds' } }
        : {
            ...shared,
            startToCloseTimeout: '25 hours',
            heartbeatTimeout: this.tuning.heartbeatSeconds * 1000,
            retry: { maximumAttempts: 1 },
          },
    );
  }

  /** Tells the migrations on the host that it is gone, or back. Nobody waits for that. */
  private tell(): void {
    const { gone } = this.state.book;
    const word = { hostId: this.hostId, saidAt: Date.now(), ...(gone === undefined ? {} : { gone }) };
    this.telling += 1;
    void fleetActivities('tell the migrations on the host')
      .tellMigrations(word)
      .catch(() => undefined)
      .finally(() => (this.telling -= 1));
  }

  private show(): void {
    const { book } = this.state;
    setCurrentDetails(hostDetails(this.hostId, book));
    const shown = JSON.stringify(book);
    if (shown === this.shown) return;
    this.shown = shown;
    upsertMemo({ host: book });
    upsertSearchAttributes([
      { key: searchAttributes.host, value: this.hostId },
      { key: searchAttributes.state, value: standingOf(book) },
    ]);
  }

  private async continueIfLong(): Promise<void> {
    if (this.telling > 0 || !isLong(this.tuning.historyEvents)) return;
    await condition(allHandlersFinished);
    await continueAsNew<typeof keepHost>({ ...this.input, book: this.state.book });
  }
}

const now = () => new Date().toISOString();

/** Whether it ends in time, well or not. */
function settles(work: Promise<unknown>, ms: number, summary: string): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  work.then(note, note);
  return condition(() => settled, ms, { summary });
}
