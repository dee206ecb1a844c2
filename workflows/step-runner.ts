import { CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow';
import type { Resolution, StepFailure, StepName } from '../contracts/steps.ts';
import { refusalOfAmendment } from './amendments.ts';
import { stepFailureOf } from './failures.ts';
import type { MigrationState } from './migration-state.ts';

/** Steps a migration can do without. The others make what later steps stand on. */
const skippable = ['inspect', 'fix', 'verify-boot', 'report'] as const satisfies readonly StepName[];
type Skippable = (typeof skippable)[number];
/** Steps that lose nothing when stopped at once and started over; a pause stops them. */
const interruptible: ReadonlySet<StepName> = new Set(['placement', 'acquire', 'verify-boot']);
/** Steps at which nothing was derived from the spec that a retry would not derive again. */
const derivedFromNothing: ReadonlySet<StepName> = new Set(['preflight', 'report']);

/** The migration ends here: policy says fail, or an operator said abort. `cause` is what the step threw. */
export class MigrationEnded extends Error {
  override readonly name = 'MigrationEnded';
  readonly status: 'failed' | 'aborted';
  readonly failure: StepFailure;

  constructor(status: 'failed' | 'aborted', failure: StepFailure, cause: unknown) {
    super(failure.message, { cause });
    this.status = status;
    this.failure = failure;
  }
}

/** A step under way. `interrupted`: a pause stopped it, and it is to be run again. */
interface RunningStep {
  step: StepName;
  scope: CancellationScope;
  interrupted: boolean;
}

export interface StepOptions<T> {
  /** One line for people about what came out. */
  note?: (result: T) => string;
}

/**
 * Runs steps one after another: holds them while paused, parks a failed one until an operator answers,
 * and publishes every change through `onChange`.
 */
export class StepRunner {
  private readonly state: MigrationState;
  private readonly onChange: () => void;
  private resolution: Resolution | undefined;
  private running: RunningStep | undefined;
  /** The migration is being taken from its host: what a step ends with now is no matter. */
  isLeaving = false;
  /** Called before a retry with an amended spec, to learn again what earlier steps derived from it. */
  onAmended: (() => Promise<void>) | undefined;

  constructor(state: MigrationState, onChange: () => void) {
    this.state = state;
    this.onChange = onChange;
  }

  pause(): void {
    this.state.pauseRequested = true;
    if (this.running && interruptible.has(this.running.step)) {
      this.running.interrupted = true;
      this.running.scope.cancel();
    }
    this.onChange();
  }

  resume(): void {
    this.state.pauseRequested = false;
    this.onChange();
  }

  /** Why a resolution cannot be taken now; undefined when it can. */
  refusalOf(resolution: Resolution): string | undefined {
    if (this.isLeaving) return 'the migration is leaving its host';
    const parked = this.state.parkedStep;
    if (parked === undefined || this.resolution !== undefined) {
      return `the migration is ${this.state.status}, not parked: there is nothing to ${resolution.action}`;
    }
    if (resolution.action === 'skip' && !(skippable as readonly StepName[]).includes(parked)) {
      return `the step ${parked} cannot be skipped: later steps need what it makes`;
    }
    return resolution.spec && refusalOfAmendment(this.state, resolution.spec);
  }

  /** An answer was given, and the parked step has not gone on yet. */
  get isResolved(): boolean {
    return this.resolution !== undefined;
  }

  resolve(resolution: Resolution): null {
    this.resolution = resolution;
    return null;
  }

  /**
   * Runs one step to its end. Gives its result, or undefined when an operator skipped it.
   *
   * @throws MigrationEnded when policy or operator end the migration; CancelledFailure when it is cancelled.
   */
  async run<T>(step: StepName, work: () => Promise<T>, options: StepOptions<T> = {}): Promise<T | undefined> {
    for (;;) {
      if (this.mustWait) await this.gate();
      this.state.begin(step);
      this.onChange();
      const running = interruptible.has(step) ? this.interruptibly(step) : undefined;
      try {
        const result = await (running === undefined ? work() : running.scope.run(work));
        this.running = undefined;
        // What comes next is published in the same turn: the step that begins, or the end.
        this.state.done(step, options.note?.(result));
        return result;
      } catch (error) {
        this.running = undefined;
        // Who stopped it decides, not whether the pause still holds: it may have been lifted meanwhile.
        if (running?.interrupted === true && !CancellationScope.current().consideredCancelled) {
          this.state.rewind(step);
          continue;
        }
        if (isCancellation(error) || this.isLeaving) throw error;
        if ((await this.failed(step, error)) === 'skip') return undefined;
      }
    }
  }

  /** A step that others stand on: `refusalOf` lets none of these be skipped. */
  require<T>(
    step: Exclude<StepName, Skippable>,
    work: () => Promise<T>,
    options: StepOptions<T> = {},
  ): Promise<T> {
    return this.run(step, work, options) as Promise<T>;
  }

  /** Not a promise each time: Temporal keeps a stack trace of every one, which is what a migration costs its worker. */
  private get mustWait(): boolean {
    return this.state.pauseRequested || CancellationScope.current().consideredCancelled;
  }

  private async gate(): Promise<void> {
    // A cancel that came between two steps counts before the next, which it may not be able to stop.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.state.status = 'paused';
    this.onChange();
    await condition(() => !this.state.pauseRequested);
    this.state.status = 'running';
  }

  private interruptibly(step: StepName): RunningStep {
    return (this.running = { step, scope: new CancellationScope({ cancellable: true }), interrupted: false });
  }

  private async failed(step: StepName, error: unknown): Promise<'retry' | 'skip'> {
    if (error instanceof MigrationEnded) throw error;
    const failure = stepFailureOf(error);
    this.state.fail(step, failure);
    if (this.state.spec.policy.onFailure === 'fail') throw new MigrationEnded('failed', failure, error);

    this.state.status = 'parked';
    this.onChange();
    await condition(() => this.resolution !== undefined);
    const answer = this.resolution;
    this.resolution = undefined;
    this.state.status = 'running';
    switch (answer?.action) {
      case 'skip':
        this.state.skip(step, `by an operator, after ${failure.code}`);
        this.state.failure = undefined;
        return 'skip';
      case 'retry':
        this.state.rewind(step);
        this.state.failure = undefined;
        if (answer.spec) {
          this.state.spec = answer.spec;
          if (!derivedFromNothing.has(step)) await this.onAmended?.();
        }
        return 'retry';
      case 'abort':
      case undefined:
        throw new MigrationEnded('aborted', abortedAfter(failure), error);
    }
  }
}

function abortedAfter({ code, found, remedy }: StepFailure): StepFailure {
  return {
    code: 'MIGRATION_ABORTED',
    message: `The migration was aborted by an operator after ${code}: ${found}`,
    found: `an operator aborted it after ${code}: ${found}`,
    remedy,
  };
}
