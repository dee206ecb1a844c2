import type {
  DiskProgress,
  MigrationReport,
  MigrationView,
  StepName,
  StepProgress,
} from '../contracts/steps.ts';
import { stepNames } from '../contracts/steps.ts';

/** An activity that Temporal will start again, with the words of its last failure. */
export interface Retry {
  what: string;
  /** The attempt that comes next, or runs now. */
  attempt: number;
  found: string;
  nextAt?: string;
}

/** What a status display shows: the workflow's own view with the fresher news of its running activities. */
export interface LiveView extends MigrationView {
  /** `server`: no worker answered, so only what the Temporal server itself knows is here. */
  answeredBy: 'worker' | 'server';
  retries: Retry[];
  /** Its host is not there, and a step waits for it. */
  waitsForHost?: { /** ISO 8601, where that is known. */ since?: string };
  startedAt: string;
  endedAt?: string;
}

/** Heartbeats say more of bytes and doings than the workflow has heard: they win, disk by disk. */
export function mergeProgress(view: MigrationView, news: StepProgress[]): MigrationView {
  const running = new Set(
    view.steps.filter(({ state }) => state.status === 'running').map(({ name }) => name),
  );
  const current = news.filter(({ step }) => running.has(step));
  if (current.length === 0) return view;
  const disks = new Map<number, DiskProgress>(view.disks.map((disk) => [disk.index, disk]));
  for (const { disk } of current) if (disk !== undefined) disks.set(disk.index, disk);
  const doing = [...new Set(current.map((progress) => progress.doing))].join(', ');
  return { ...view, doing, disks: [...disks.values()].toSorted((a, b) => a.index - b.index) };
}

/** The view of a migration that has ended, from its report. */
export function viewOfReport(report: MigrationReport, spec: MigrationView['spec']): MigrationView {
  const { migrationId, vm, status, steps, hostId, failure } = report;
  return {
    migrationId,
    vm,
    status,
    pausing: false,
    steps,
    disks: [],
    spec,
    ...(hostId === undefined ? {} : { hostId }),
    ...(failure === undefined ? {} : { failure }),
  };
}

/** Reads a heartbeat's payload; undefined for anything that is not a StepProgress. */
export function asStepProgress(value: unknown): StepProgress | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { step, doing, disk } = value as Record<string, unknown>;
  const name = stepNames.find((known): known is StepName => known === step);
  if (name === undefined || typeof doing !== 'string') return undefined;
  const progress = asDiskProgress(disk);
  return { step: name, doing, ...(progress === undefined ? {} : { disk: progress }) };
}

function asDiskProgress(value: unknown): DiskProgress | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { index, doneBytes, totalBytes, rateBytesPerSecond, etaSeconds } = value as Record<string, unknown>;
  if (typeof index !== 'number' || typeof doneBytes !== 'number' || typeof totalBytes !== 'number')
    return undefined;
  return {
    index,
    doneBytes,
    totalBytes,
    rateBytesPerSecond: typeof rateBytesPerSecond === 'number' ? rateBytesPerSecond : 0,
    ...(typeof etaSeconds === 'number' ? { etaSeconds } : {}),
  };
}
