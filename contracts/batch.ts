import type { BatchSelection, Selected } from './batch-select.ts';
import type { ErrorCode } from './error-codes.ts';
import type { MigrationSpec } from './spec.ts';
import type { MigrationStatus, StepFailure, Tuning } from './steps.ts';
import type { TimeWindow } from './time-window.ts';

/**
 * A batch is one `migrateBatch` with the order and the window, and a `migratePage` for every few dozen VMs: no history grows
 * with the number of VMs, and of a page that waits it carries no more than a dozen bytes.
 */

/** One VM of a batch. */
export interface BatchVm {
  migrationId: string;
  spec: MigrationSpec;
}

/** VMs that are begun once all of the wave before have ended. */
export interface Wave {
  name: string;
  /** Waits for `batch approve` before it begins. */
  approval: boolean;
  /** Outside of it nothing is begun, and what can stop without loss does. */
  window?: TimeWindow;
}

/** What happens when so many VMs have failed, in a wave or in the batch. */
export interface FailurePolicy {
  then: 'continue' | 'stop-wave' | 'stop-batch';
  /** So many failures. */
  failures?: number;
  /** So many of a hundred. */
  percent?: number;
}

/** Input of `migrateBatch`. Its VMs come in pages that are registered with it; see `PageRef`. */
export interface BatchInput {
  name: string;
  /** VMs that are migrated at once; parked ones do not count. */
  atOnce: number;
  onFailure: FailurePolicy;
  waves: Wave[];
  /** Where it takes VMs from by itself, in place of the client or besides. */
  selection?: BatchSelection;
  /** Nobody hands VMs over: a schedule has started it. */
  unattended?: true;
  /** Number of the last page of runs before, when it begins some of their VMs once more. */
  pagesBefore?: number;
  tuning?: BatchTuning;
  /** How far it is, when it continues as new. */
  carried?: Omit<BatchCarried, 'pages'> & { packedPages?: PackedPage[]; pages?: BatchPage[] };
}

export interface BatchTuning {
  /** How often it looks whether a page was lost, in seconds. Default 300. */
  watchSeconds?: number;
  /** Events after which it continues as new. Default 4000. */
  historyEvents?: number;
}

/** VMs by how they are. `skipped`: migrated before, dropped, or not begun because the batch was stopped. */
export interface Counts {
  waiting: number;
  running: number;
  parked: number;
  completed: number;
  failed: number;
  skipped: number;
}

/** A page as it registers with its batch. */
export interface PageRef {
  /** From 1; see `pageIdOf`. */
  page: number;
  /** Index of its wave. */
  wave: number;
  vms: number;
  /** Goes before all that wait. */
  first?: boolean;
}

/** What a page tells its batch. */
export interface PageReport {
  page: number;
  counts: Counts;
  /** Bytes of data in the disks of those that are completed. */
  dataBytes: number;
  ended: boolean;
  /** Of one that waits for long: nobody may have registered it, when a hand-over was cut off. When its batch was begun. */
  claim?: { wave: string; begunAt: string };
}

export interface BatchPage {
  page: number;
  wave: number;
  /** VMs it may run at once; 0 before its turn. */
  allotted: number;
  counts: Counts;
  dataBytes: number;
}

/** A page as it is carried over: its number, its wave, VMs that wait; and what else there is, once it has begun. */
export type PackedPage = [page: number, wave: number, waiting: number, ...rest: number[]];

/** What goes on over continue-as-new. */
export interface BatchCarried {
  startedAt: string;
  /** All VMs are registered. */
  sealed: boolean;
  /** Places that were looked into: those listed, then each selector. */
  looked?: number;
  /** What came of it so far. */
  selected?: Selected;
  paused: boolean;
  /** What its pages were told last. */
  held: boolean;
  wave: number;
  approved: string[];
  stopped?: 'wave' | 'batch';
  /** Pages that have not ended, in their order. */
  pages: BatchPage[];
  /** The highest number of a page that was registered. */
  lastPage: number;
  /** Numbers below it that were not: two who edit the batch at once do not register in order. */
  skipped?: number[];
  /** Of pages that have ended, by wave. */
  ended: { counts: Counts; dataBytes: number; lostPages: number }[];
}

/** `failed`: its VMs could not be looked up. */
export type BatchStatus =
  | 'filling'
  | 'waiting for approval'
  | 'waiting for its window'
  | 'running'
  | 'paused'
  | 'completed'
  | 'stopped'
  | 'failed'
  | 'cancelled';

export interface WaveView extends Wave {
  approved: boolean;
  counts: Counts;
}

/** Answer of the `batch` query. */
export interface BatchView {
  batchId: string;
  name: string;
  status: BatchStatus;
  startedAt: string;
  atOnce: number;
  onFailure: FailurePolicy;
  /** Index of the wave that is on. */
  wave: number;
  waves: WaveView[];
  counts: Counts;
  dataBytes: number;
  /** Pages that were begun and have not ended. */
  activePages: number[];
  lastPage: number;
  /** Pages whose workflow was ended from outside; how their VMs fared is not known to the batch. */
  lostPages: number;
  /** When the window of the wave opens or closes next. */
  windowEdgeAt?: string;
  /** What it looks through now, in words, and the host that looks, where it has to be that one. */
  looking?: { what: string; host?: string };
  /** Of a batch that looked for its VMs: what came of it, all in all. */
  selected?: Selected;
  /** Why one that failed has begun nothing. */
  failure?: StepFailure;
}

/** Input of `migratePage`. */
export interface PageInput {
  batchId: string;
  batch: string;
  page: number;
  wave: string;
  vms: BatchVm[];
  /** Tells its batch when so many more have ended than it told. */
  tellEvery: number;
  /** When its batch was begun, in ISO 8601. */
  begunAt?: string;
  /** How long it waits for its turn, in seconds, before it looks whether its batch is still there. For ever when left out. */
  watchSeconds?: number;
  tuning?: Tuning;
}

export type VmStatus = MigrationStatus | 'waiting' | 'migrated before' | 'dropped' | 'not begun';

/** How one VM of a batch fared. */
export interface VmOutcome {
  vm: string;
  migrationId: string;
  status: VmStatus;
  hostId?: string;
  startedAt?: string;
  endedAt?: string;
  /** Bytes of data in its disks. */
  dataBytes?: number;
  /** Sizes of its disks. */
  virtualBytes?: number;
  /** Bytes that came over the wire before an interruption, and did not have to come again. */
  resumedBytes?: number;
  /** Of one that failed or is parked. */
  code?: ErrorCode;
  found?: string;
  remedy?: string;
}

/** Answer of the `page` query, and result of `migratePage`. */
export interface PageView {
  page: number;
  wave: string;
  vms: VmOutcome[];
}

/** Sent to its page by a migration that parks, and by one that goes on again. */
export interface ParkedWord {
  migrationId: string;
  failure?: { code: ErrorCode; found: string; remedy: string };
}

export const emptyCounts = (): Counts => ({
  waiting: 0,
  running: 0,
  parked: 0,
  completed: 0,
  failed: 0,
  skipped: 0,
});

export function sumOf(all: readonly Counts[]): Counts {
  const sum = emptyCounts();
  for (const counts of all) for (const key of Object.keys(sum) as (keyof Counts)[]) sum[key] += counts[key];
  return sum;
}

export const countOf = ({ waiting, running, parked, completed, failed, skipped }: Counts): number =>
  waiting + running + parked + completed + failed + skipped;

/** The workflow id of a batch. One of a name runs at a time. */
export const batchIdOf = (name: string): string => `batch-${name}`;

/** The name of a batch, of its workflow id. */
export const batchNameOf = (batchId: string): string => batchId.replace(/^batch-/, '');

/** The workflow id of a page of a batch, counted from 1. */
export const pageIdOf = (batchId: string, page: number): string =>
  `${batchId}-page-${String(page).padStart(4, '0')}`;

/** Numbers of all pages up to the last. */
export const pagesUpTo = (last: number): number[] => Array.from({ length: last }, (_one, index) => index + 1);
