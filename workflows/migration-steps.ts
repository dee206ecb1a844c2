import { expectedAddresses } from '../contracts/addresses.ts';
import { CancellationScope } from '@temporalio/workflow';
import { firstRunIdOf } from '../contracts/runs.ts';
import type { StepContext, StepName, Tuning } from '../contracts/steps.ts';
import type { AcquiredDisk, PreflightResult, RunRef, TargetDisk } from '../contracts/values.ts';
import { gatesOf } from '../contracts/gates.ts';
import type { Compensations } from './compensations.ts';
import { passGates, type Visitor } from './gate/pass-gates.ts';
import { compensationActivities, hostActivities } from './host-activities.ts';
import type { MigrationState } from './migration-state.ts';
import { place } from './place.ts';
import { untilUnblocked } from './preflight.ts';
import type { StepRunner } from './step-runner.ts';

export interface Migration {
  run: RunRef;
  /** See contracts/migration-start.ts. */
  edition: number;
  /** The host that it was taken from last. */
  left?: string;
  state: MigrationState;
  steps: StepRunner;
  undo: Compensations;
  tuning: Tuning;
  /** Shows people what has changed. */
  publish: () => void;
}

/** The pipeline: each step once, in order, its facts handed to the next. */
export async function runMigration(migration: Migration): Promise<void> {
  const { run, state, steps, undo, tuning } = migration;
  const { facts } = state;
  const ctx = (): StepContext => ({ run, spec: state.spec });

  if (state.stoppedBefore) undo.add('source', () => restartWhatWasStopped(migration));
  const wishes = migration.left === undefined ? undefined : { avoid: migration.left };
  const placement = await steps.require(
    'placement',
    () => place(ctx(), tuning, { wishes, say: sayer(migration, 'placement') }),
    { note: ({ hostId }) => hostId },
  );
  state.hostId = placement.hostId;
  const host = hostActivities(placement.hostId, tuning);
  const undoing = compensationActivities(placement.hostId, tuning);

  const preflight = () =>
    steps.require(
      'preflight',
      () => untilUnblocked(host, ctx(), tuning, (result) => (facts.preflight = result)),
      { note: findingsNote },
    );
  let plan = await preflight();
  steps.onAmended = async () => {
    plan = await preflight();
  };

  // The last to be undone is registered first: the report of a migration that did not succeed says what was undone.
  undo.add('report', async () => {
    await undoing.finish(ctx(), state.report());
  });
  undo.add('work files', async () => {
    const purgeDisks = state.spec.policy.onAbort === 'purge';
    const { kept } = await undoing.discardWork(ctx(), { purgeDisks, targetDirectory: plan.targetDirectory });
    facts.kept.push(...kept);
  });

  const disks = await acquire(migration, host, undoing, disksIn(plan));
  facts.acquired = disks;
  await fixGuest(migration, host, disks, () => plan);

  const convert = () =>
    allOf(
      disks.map((disk) =>
        host(`convert disk ${disk.index + 1}`).convertDisk(ctx(), disk, plan.targetDirectory),
      ),
    );
  facts.disks = await steps.require('convert', () => {
    const needs = (migration.edition >= 3 && plan.targetGates) || [];
    return passGates(needs, visitorOf(migration, 'convert', 'copies the disks'), convert);
  });

  undo.add('domain', () => undoing.undefineDomain(ctx()));
  const define = () =>
    steps.require(
      'define',
      () => {
        const { vm, accelerator } = plan;
        return host('define the libvirt domain', 'short').defineDomain(ctx(), {
          vm,
          facts: facts.facts,
          disks: facts.disks,
          accelerator,
        });
      },
      { note: ({ name }) => name },
    );
  let domain = (facts.domain = await define());
  // From here on the spec is also in the domain, and what boots next must be what was asked for.
  steps.onAmended = async () => {
    plan = await preflight();
    domain = facts.domain = await define();
  };

  const unproven = reasonNotToBoot(state);
  if (unproven === undefined) {
    facts.boot = await steps.run(
      'verify-boot',
      () =>
        host('boot a throwaway copy').verifyBoot(ctx(), domain, facts.disks, expectedAddresses(facts.fixes)),
      {
        note: ({ sign, seconds }) => `${sign} after ${Math.round(seconds)} s`,
      },
    );
  } else {
    state.skip('verify-boot', unproven);
  }
  // It removes what a compensation would need to know: a cancel comes before it or too late.
  await steps.run('report', () =>
    CancellationScope.nonCancellable(() =>
      host('keep the report, clean up', 'short').finish(ctx(), { ...state.report(), status: 'completed' }),
    ),
  );
}

/** Whatever was made at the source goes as soon as the disks are here, and also when they never come. */
async function acquire(
  migration: Migration,
  host: ReturnType<typeof hostActivities>,
  undoing: ReturnType<typeof compensationActivities>,
  diskCount: number,
): Promise<AcquiredDisk[]> {
  const { run, state, steps, undo } = migration;
  const ctx = (): StepContext => ({ run, spec: state.spec });
  const note = ({ length }: AcquiredDisk[]) => `${length} disk${length === 1 ? '' : 's'}`;
  const { source } = state.spec;
  const visitor = visitorOf(migration, 'acquire', 'fetches the disks');
  const fetch = (work: () => Promise<AcquiredDisk[]>) =>
    steps.require('acquire', () => passGates(gatesOf(state.spec, diskCount), visitor, work), { note });
  if (source.kind !== 'azure') {
    const isElsewhere =
      source.kind === 'image' ? source.disks.some((disk) => 'url' in disk) : source.url !== undefined;
    const what = isElsewhere ? 'fetch the disks' : 'open the source disks';
    return fetch(() => host(what).acquire(ctx()));
  }

  undo.add('source', restartSource(migration, undoing));
  return fetch(async () => {
    const disks = await host('fetch the disks').acquire(ctx());
    const restart = source.restart === 'always';
    await host('give the source back').releaseSource(ctx(), { restart, ...stoppedBefore(state) });
    return disks;
  });
}

/** As gates know it: they ask the server who is still there, which knows the first run alone. */
function visitorOf(migration: Migration, step: StepName, within: string): Visitor {
  const { run, tuning } = migration;
  return { run: { ...run, runId: firstRunIdOf(run.runId) }, tuning, within, say: sayer(migration, step) };
}

/** Compensation: what was made at the source goes, and a VM that was stopped there for the migration is started. */
function restartSource(
  { run, state }: Migration,
  undoing: ReturnType<typeof compensationActivities>,
): () => Promise<void> {
  return async () => {
    const { spec } = state;
    const restart = spec.source.kind === 'azure' && spec.source.restart !== 'never';
    await undoing.releaseSource({ run, spec }, { restart, ...stoppedBefore(state) });
  };
}

/** What a run before this one has stopped, also when this one was ended before it had a host. */
async function restartWhatWasStopped(migration: Migration): Promise<void> {
  const { state, tuning } = migration;
  if (state.hostId !== undefined)
    await restartSource(migration, compensationActivities(state.hostId, tuning))();
  else if (state.spec.source.kind === 'azure')
    state.facts.kept.push(`${state.spec.source.vm} in Azure, stopped for the migration: start it there`);
}

const stoppedBefore = (state: MigrationState) => (state.stoppedBefore ? { stoppedBefore: true } : {});

/** Shows people what a step does before an activity of it says anything. */
function sayer({ state, publish }: Migration, step: StepName): (doing: string) => void {
  return (doing) => {
    state.noteProgress({ step, doing });
    publish();
  };
}

function reasonNotToBoot({ spec, facts }: MigrationState): string | undefined {
  if (!spec.policy.verifyBoot) return 'not wanted by the spec';
  // Data disks alone give no sign of life, however long one waits.
  return facts.facts?.os === 'none' ? 'no operating system' : undefined;
}

/** Inspect and fix; a migration that skips either hands the disks over as they are. */
async function fixGuest(
  { run, state, steps }: Migration,
  host: ReturnType<typeof hostActivities>,
  disks: AcquiredDisk[],
  plan: () => PreflightResult,
): Promise<void> {
  const { facts } = state;
  const unwanted = () => !state.spec.guest.fix;
  if (!unwanted()) {
    facts.facts = await steps.run(
      'inspect',
      () => host('look into the guest').inspectGuest({ run, spec: state.spec }, disks),
      {
        note: ({ os, distro }) => distro?.prettyName ?? (os === 'none' ? 'no operating system' : os),
      },
    );
  } else {
    state.skip('inspect', 'not wanted by the spec');
  }
  if (facts.facts?.os === 'linux') {
    facts.fixes =
      (await steps.run(
        'fix',
        () => host('fix the guest').fixGuest({ run, spec: state.spec }, disks, plan().vm),
        {
          note: (fixes) => `${fixes.flatMap(({ changes }) => changes).length} changes`,
        },
      )) ?? [];
  } else {
    state.skip('fix', unwanted() ? 'not wanted by the spec' : 'no guest to fix');
  }
}

/** Waits for all, then fails with the first failure: no disk is left converting behind a parked step. */
async function allOf(conversions: Promise<TargetDisk>[]): Promise<TargetDisk[]> {
  const results = await Promise.allSettled(conversions);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** Those that lie elsewhere among them. */
const disksIn = ({ disks, remoteDisks = [] }: PreflightResult): number => disks.length + remoteDisks.length;

function findingsNote({ findings }: PreflightResult): string {
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  return warnings === 0 ? 'nothing in the way' : `${warnings} warning${warnings === 1 ? '' : 's'}`;
}
