import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  type ScheduleOptions,
  type ScheduleOverlapPolicy,
} from '@temporalio/client';
import { type BatchPlan, maxSelectionBytes, selfContained } from '../contracts/batch-file.ts';
import { withoutUndefined } from '../contracts/batch-select.ts';
import { batchIdOf, batchNameOf } from '../contracts/batch.ts';
import { LonghaulError } from '../contracts/errors.ts';
import { workflowTaskQueue } from '../contracts/queues.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import { formatDuration } from '../contracts/units.ts';
import type { ServerCall } from './connect.ts';

/** When a batch begins by itself, and what happens when that cannot be. Times are in milliseconds. */
export interface Timing {
  /** Cron expressions of five fields, or `@daily` and the like. */
  cron: string[];
  everyMs?: number;
  /** Name in the time zone database, for the cron expressions. */
  timeZone: string;
  /** Begins up to so much later, by chance. */
  jitterMs: number;
  /** What becomes of a batch whose time has come while the one before still runs. */
  overlap: Overlap;
  /** A beginning that was missed, because the server was down, is made up for until so much later. */
  catchUpMs: number;
}

/** What people say, and what Temporal calls it. */
export const overlaps = {
  skip: 'SKIP',
  wait: 'BUFFER_ONE',
  'cancel-other': 'CANCEL_OTHER',
  'allow-all': 'ALLOW_ALL',
} as const satisfies Record<string, ScheduleOverlapPolicy>;
export type Overlap = keyof typeof overlaps;

export interface ScheduleView {
  name: string;
  paused: boolean;
  note?: string;
  /** Cron expressions and intervals, as they were written. */
  when: string[];
  timeZone: string;
  /** Beginnings to come, ISO 8601. */
  next: string[];
  /** Batches that it began, the newest first. */
  recent: { batch: string; scheduledAt: string; startedAt: string }[];
}

export interface ScheduleDetails extends ScheduleView {
  overlap: string;
  jitterMs: number;
  catchUpMs: number;
  running: string[];
  counts: { begun: number; missed: number; overlapped: number };
}

const prefix = 'longhaul-';

/** Schedules by name, which is that of their batch. Every method throws LonghaulError only: SCHEDULE_NOT_FOUND, SCHEDULE_INVALID. */
export class Schedules {
  readonly #client: Client;
  readonly #call: ServerCall;

  constructor(client: Client, call: ServerCall) {
    this.#client = client;
    this.#call = call;
  }

  /**
   * @param replace puts it in the place of one of that name, whose past is kept, and its pause and note if nothing is said
   * @throws LonghaulError SCHEDULE_EXISTS; SCHEDULE_INVALID for a batch that is too large to begin without its file
   */
  async create(
    plan: BatchPlan,
    timing: Timing,
    { paused, note, replace = false }: { paused?: boolean; note?: string; replace?: boolean },
  ): Promise<void> {
    const { name } = plan.input;
    const options = optionsOf(plan, timing);
    const said = withoutUndefined({ paused, note });
    await this.#of(name, async () => {
      try {
        await this.#client.schedule.create({ scheduleId: prefix + name, ...options, state: said });
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning) || !replace) throw error;
        await this.#handle(name).update(({ state }) => ({ ...options, state: { ...state, ...said } }));
      }
    });
  }

  async list(): Promise<ScheduleView[]> {
    const names: string[] = [];
    await this.#call(async () => {
      for await (const { scheduleId } of this.#client.schedule.list())
        if (scheduleId.startsWith(prefix)) names.push(scheduleId.slice(prefix.length));
    });
    return Promise.all(names.toSorted().map((name) => this.show(name)));
  }

  async show(name: string): Promise<ScheduleDetails> {
    return this.#of(name, async () => detailsOf(name, await this.#handle(name).describe()));
  }

  async pause(name: string, note?: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).pause(note ?? 'paused by an operator'));
  }

  async resume(name: string, note?: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).unpause(note ?? 'resumed by an operator'));
  }

  /** Begins its batch now, besides its times. */
  async trigger(name: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).trigger());
  }

  /** Batches that it has begun go on. */
  async delete(name: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).delete());
  }

  #handle(name: string) {
    return this.#client.schedule.getHandle(prefix + name);
  }

  async #of<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#call(async () => {
      try {
        return await work();
      } catch (error) {
        throw scheduleError(name, error);
      }
    });
  }
}

function optionsOf(plan: BatchPlan, timing: Timing): Omit<ScheduleOptions, 'scheduleId' | 'memo' | 'state'> {
  const input = selfContained(plan);
  if ('tooLarge' in input)
    throw new LonghaulError('SCHEDULE_INVALID', {
      found: `What the batch says of its VMs has ${Math.ceil(input.tooLarge / 1024)} KiB, and a batch that begins by itself may bring ${maxSelectionBytes / 1024} KiB`,
      remedy: 'Let it look its VMs up with select (docs/fleet.md), or make several of it.',
    });
  const { cron, everyMs, timeZone, jitterMs, overlap, catchUpMs } = timing;
  return {
    spec: {
      // The comment comes back with the schedule; the expression does not.
      cronExpressions: cron.map((expression) => `${expression} # ${expression}`),
      intervals: everyMs === undefined ? [] : [{ every: everyMs }],
      timezone: timeZone,
      jitter: jitterMs,
    },
    policies: { overlap: overlaps[overlap], catchupWindow: catchUpMs },
    action: {
      type: 'startWorkflow',
      workflowType: 'migrateBatch',
      taskQueue: workflowTaskQueue,
      workflowId: batchIdOf(input.name),
      args: [input],
      staticSummary: `batch of the schedule ${input.name}: ${input.atOnce} VMs at once`.slice(0, 200),
      typedSearchAttributes: [{ key: searchAttributes.state, value: 'filling' }],
    },
  };
}

function detailsOf(name: string, { spec, policies, state, info }: ScheduleDescription): ScheduleDetails {
  const intervals = (spec.intervals ?? []).map(({ every }) => `every ${formatDuration(every / 1000)}`);
  const known = Object.keys(overlaps).find((each) => overlaps[each as Overlap] === policies.overlap);
  return {
    name,
    paused: state.paused,
    ...(state.note === undefined || state.note === '' ? {} : { note: state.note }),
    when: [...(spec.calendars ?? []).map(({ comment }) => comment ?? 'a calendar'), ...intervals],
    timeZone: spec.timezone ?? 'UTC',
    next: info.nextActionTimes.map((time) => time.toISOString()),
    recent: info.recentActions
      .map(({ action, scheduledAt, takenAt }) => ({
        batch: batchNameOf(action.workflow.workflowId),
        scheduledAt: scheduledAt.toISOString(),
        startedAt: takenAt.toISOString(),
      }))
      .toReversed(),
    overlap: known ?? policies.overlap ?? 'skip',
    jitterMs: spec.jitter ?? 0,
    catchUpMs: policies.catchupWindow,
    running: info.runningActions.map(({ workflow }) => batchNameOf(workflow.workflowId)),
    counts: {
      begun: info.numActionsTaken,
      missed: info.numActionsMissedCatchupWindow,
      overlapped: info.numActionsSkippedOverlap,
    },
  };
}

function scheduleError(name: string, error: unknown): unknown {
  if (error instanceof ScheduleNotFoundError)
    return new LonghaulError(
      'SCHEDULE_NOT_FOUND',
      { found: `there is no schedule ${name}`, remedy: '`longhaul schedule list` shows what there is.' },
      error,
    );
  if (error instanceof ScheduleAlreadyRunning)
    return new LonghaulError(
      'SCHEDULE_EXISTS',
      {
        found: `there is a schedule ${name}`,
        remedy: `Look at it with \`longhaul schedule show ${name}\`; --replace puts the new one in its place.`,
      },
      error,
    );
  // What the client makes of the server's INVALID_ARGUMENT: cron expressions are understood there.
  if (error instanceof TypeError)
    return new LonghaulError(
      'SCHEDULE_INVALID',
      {
        found: `the server does not understand its times: ${error.message}`,
        remedy: 'Correct --cron, --every or --time-zone; `longhaul schedule create --help` has examples.',
      },
      error,
    );
  return error;
}
