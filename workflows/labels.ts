import { isCancellation, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes } from '../contracts/search-attributes.ts';
import type { MigrationStatus, MigrationView, StepName } from '../contracts/steps.ts';
import type { MigrationState } from './migration-state.ts';

/** Before this a step does not last. */
const firstLookMs = 20_000;

/**
 * What lists show of a migration. Status and host are written when they change; the step that runs when it tells of
 * itself, or is found at a look that still runs: a write for each would cost more than all else that Temporal does.
 */
export class Labels {
  private readonly state: MigrationState;
  private readonly everyStep: boolean;
  private written = '';
  private host: string | undefined;
  private step: StepName | 'none' = 'none';

  /** @param steps those that lists are told of */
  constructor(state: MigrationState, steps: 'every' | 'lasting') {
    this.state = state;
    this.everyStep = steps === 'every';
    if (this.everyStep) return;
    // What it was started with; see contracts/migration-start.ts.
    this.host = this.named;
    this.written = keyOf('running', 'none', this.named);
  }

  private get named(): string | undefined {
    const { host } = this.state.spec.target;
    return this.everyStep || host === 'any' ? undefined : host;
  }

  /** Looks at widening intervals for steps that tell nothing of themselves, until the migration ends. */
  keep(): void {
    if (!this.everyStep)
      this.look().catch((error: unknown) => {
        // From then on it has a status of its own, which is written at once.
        if (!isCancellation(error)) throw error;
      });
  }

  private async look(): Promise<void> {
    // Ever more rarely: each look is five events in the history.
    for (let ms = firstLookMs; ; ms *= 1.5) {
      await sleep(ms, { summary: 'show in lists which step it is at' });
      this.write(this.state.view(), true);
    }
  }

  /** @param lasts the step that runs has lasted for a while */
  write(view: MigrationView, lasts = false): void {
    this.step = this.stepOf(view, lasts);
    const { status, hostId = this.named } = view;
    const key = keyOf(status, this.step, hostId);
    if (key === this.written) return;
    this.written = key;
    upsertSearchAttributes([
      { key: searchAttributes.state, value: status },
      { key: searchAttributes.step, value: this.step },
      // Of one that was taken from its host and has no other yet it is taken back.
      ...(hostId === this.host && hostId === undefined
        ? []
        : [{ key: searchAttributes.host, value: hostId ?? null }]),
    ]);
    this.host = hostId;
  }

  private stepOf(view: MigrationView, lasts: boolean): StepName | 'none' {
    const current = view.steps.find(({ state: { status } }) => status === 'running' || status === 'failed');
    // Between two steps the one that ended still stands: a write for that moment would double their number.
    if (current === undefined) return view.status === 'running' ? this.step : 'none';
    const isShown = this.everyStep || lasts || view.doing !== undefined || view.status !== 'running';
    return isShown ? current.name : this.step;
  }
}

const keyOf = (status: MigrationStatus, step: string, hostId: string | undefined) =>
  [status, step, hostId].join();
