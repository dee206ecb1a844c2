import type { HostWord } from '../contracts/hosts.ts';
import type {
  DiskProgress,
  Elsewhere,
  MigrationReport,
  MigrationStatus,
  MigrationView,
  StepFailure,
  StepName,
  StepProgress,
  StepState,
} from '../contracts/steps.ts';
import { stepNames } from '../contracts/steps.ts';
import type { MigrationSpec } from '../contracts/spec.ts';

type ReportFacts = Pick<
  MigrationReport,
  'preflight' | 'facts' | 'fixes' | 'acquired' | 'disks' | 'domain' | 'boot' | 'kept'
>;

/**
 * What is known of one migration: its steps, what each found out, what is going on. Plain state and rules,
 * free of Temporal, so that it can be tested alone. `now` gives the workflow's deterministic time.
 */
export class MigrationState {
  spec: MigrationSpec;
  status: MigrationStatus = 'running';
  pauseRequested = false;
  hostId: string | undefined;
  failure: StepFailure | undefined;
  facts: ReportFacts = { fixes: [], disks: [], kept: [] };
  /** A run of this migration that was taken from its host may have stopped the VM at the source. */
  stoppedBefore = false;
  private readonly steps = new Map<StepName, StepState>(
    stepNames.map((name) => [name, { status: 'pending' }]),
  );
  /** Steps that were ever begun on this host. */
  private readonly begun = new Set<StepName>();
  private hostWord: HostWord | undefined;
  private readonly progress = new Map<number, DiskProgress>();
  private doing: string | undefined;
  private readonly migrationId: string;
  private readonly startedAt: string;
  private readonly now: () => string;

  constructor(migrationId: string, spec: MigrationSpec, now: () => string) {
    this.migrationId = migrationId;
    this.spec = spec;
    this.now = now;
    this.startedAt = now();
  }

  begin(step: StepName): void {
    this.status = 'running';
    this.begun.add(step);
    this.doing = undefined;
    this.progress.clear();
    this.steps.set(step, { status: 'running', startedAt: this.now() });
  }

  done(step: StepName, note?: string): void {
    this.doing = undefined;
    this.steps.set(step, { status: 'done', startedAt: this.startOf(step), endedAt: this.now(), note });
  }

  skip(step: StepName, reason: string): void {
    this.steps.set(step, { status: 'skipped', reason });
  }

  fail(step: StepName, failure: StepFailure): void {
    this.doing = undefined;
    this.failure = failure;
    this.steps.set(step, { status: 'failed', startedAt: this.startOf(step), endedAt: this.now(), failure });
  }

  /** A step that was stopped to be run again, by a pause or a retry, is pending once more. */
  rewind(step: StepName): void {
    this.doing = undefined;
    this.steps.set(step, { status: 'pending' });
  }

  /** Everything from the first step again, on another host. */
  startOver({ host = 'any', labels }: Elsewhere): void {
    const left = this.hostId;
    const { source, target } = this.spec;
    this.stoppedBefore ||=
      source.kind === 'azure' && source.whenRunning === 'stop' && this.facts.preflight?.vm.running === true;
    const asked = labels ?? (host === 'any' ? target.labels : undefined);
    this.spec = {
      ...this.spec,
      target: { ...target, host, ...(asked === undefined ? {} : { labels: asked }) },
    };
    if (host !== 'any') delete this.spec.target.labels;
    const kept = left === undefined ? [] : [`on ${left}: what was begun there, until that host is back`];
    this.facts = { fixes: [], disks: [], kept: [...this.facts.kept, ...kept] };
    this.hostId = undefined;
    this.failure = undefined;
    this.status = 'running';
    this.doing = undefined;
    this.progress.clear();
    this.begun.clear();
    for (const name of stepNames) this.steps.set(name, { status: 'pending' });
  }

  /** Its host is gone, or back. Words may overtake each other. */
  noteHostWord(word: HostWord): void {
    if (word.saidAt >= (this.hostWord?.saidAt ?? 0)) this.hostWord = word;
  }

  hasBegun(step: StepName): boolean {
    return this.begun.has(step);
  }

  hasEnded(step: StepName): boolean {
    const status = this.steps.get(step)?.status;
    return status === 'done' || status === 'skipped';
  }

  /** Notes progress reported by an activity; late words of a step that is over are dropped. */
  noteProgress(progress: StepProgress): void {
    if (this.steps.get(progress.step)?.status !== 'running') return;
    this.doing = progress.doing;
    if (progress.disk) this.progress.set(progress.disk.index, progress.disk);
  }

  /** The step that is parked, when the migration waits for a decision. */
  get parkedStep(): StepName | undefined {
    if (this.status !== 'parked') return undefined;
    return stepNames.find((name) => this.steps.get(name)?.status === 'failed');
  }

  view(): MigrationView {
    const { hostGone } = this;
    // The last that was heard of its steps says nothing any more.
    const disks = hostGone === undefined ? [...this.progress.values()] : [];
    return {
      migrationId: this.migrationId,
      vm: this.spec.name,
      status: this.status,
      pausing: this.pauseRequested && this.status === 'running',
      hostId: this.hostId,
      hostGone,
      steps: this.stepList(),
      doing: hostGone === undefined ? this.doing : undefined,
      disks: disks.sort((a, b) => a.index - b.index),
      failure: this.failure,
      spec: this.spec,
    };
  }

  report(): MigrationReport {
    return {
      migrationId: this.migrationId,
      vm: this.spec.name,
      status: this.status,
      hostId: this.hostId,
      startedAt: this.startedAt,
      endedAt: this.now(),
      steps: this.stepList(),
      ...this.facts,
      failure: this.failure,
    };
  }

  private get hostGone(): string | undefined {
    const isMeant = this.status === 'running' && this.hostWord?.hostId === this.hostId;
    return isMeant ? this.hostWord?.gone : undefined;
  }

  private stepList(): { name: StepName; state: StepState }[] {
    return [...this.steps].map(([name, state]) => ({ name, state }));
  }

  private startOf(step: StepName): string {
    const state = this.steps.get(step);
    return state?.status === 'running' ? state.startedAt : this.now();
  }
}
