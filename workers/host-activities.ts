import { defineDomain, ownsDomain, undefineDomain } from '../activities/domain/define.ts';
import { verifyBoot } from '../activities/domain/boot-check/verify-boot.ts';
import { createGuestActivities } from '../activities/guest/guest-activities.ts';
import { linuxFixes } from '../activities/guest/linux/index.ts';
import { openSession } from '../activities/guest/session/open-session.ts';
import { withFileLock } from '../activities/host/file-lock.ts';
import { probeAcceleration } from '../activities/host/acceleration.ts';
import type { Host } from '../activities/host/host.ts';
import { Virsh } from '../activities/host/libvirt.ts';
import { createSecretResolver } from '../activities/host/secrets.ts';
import type { StepIo } from '../activities/host/step-io.ts';
import { WorkDir } from '../activities/host/work-dir.ts';
import { orDamaged } from '../activities/image/content-digest.ts';
import { convertDisk } from '../activities/image/convert-disk.ts';
import { preflight } from '../activities/preflight/preflight.ts';
import { discardWork, finish } from '../activities/report/finish.ts';
import { listAzureVms, sendable } from '../activities/sources/azure/inventory.ts';
import { createSources, type SourceOf } from '../activities/sources/registry.ts';
import { sourceRequest, type SourceDeps } from '../activities/sources/source.ts';
import { LonghaulError } from '../contracts/errors.ts';
import type { HostActivities, StepContext, StepName, UndoActivities } from '../contracts/steps.ts';
import type { Accelerator, RunRef } from '../contracts/values.ts';
import { runActivity, type ProgressSignal } from './activity-io.ts';
import { PlacedVms } from './placed-vms.ts';
import { StepsAtWork } from './steps-at-work.ts';
import { createTransferPlane } from '../activities/transfer/transfer-plane.ts';
import type { Logger } from './logging.ts';
import { type AskGate, withSharedBudgets } from './shared-budgets.ts';
import type { TargetGatesOf } from './target-gates.ts';
import type { WorkerOptions } from './options.ts';

/** How the steps of a host speak with the rest of the fleet. */
export interface FleetLinks {
  signalProgress: ProgressSignal;
  askGate: AskGate;
  targetGatesOf: TargetGatesOf;
  isDrained: () => boolean;
}

export interface HostPlane {
  steps: HostActivities;
  undo: UndoActivities;
  sourceOf: SourceOf;
  sourceDeps: SourceDeps;
  /** Steps running now in this process, compensations not counted. */
  running: () => number;
  /** VMs that this host has taken. */
  placed: PlacedVms;
  /** Ends what outlives a step, at the end of the worker. */
  close(): Promise<void>;
}

/**
 * Puts the steps together for one host: their dependencies, heartbeats, and typed failures.
 *
 * @param slots machines that the host's memory takes at once
 * @param isDrained whether the host takes no more VMs
 */
export function createHostActivities(
  options: WorkerOptions,
  slots: number,
  log: Logger,
  { signalProgress, askGate, targetGatesOf, isDrained }: FleetLinks,
): HostPlane {
  const host: Host = {
    hostId: options.hostId,
    stateDir: options.stateDir,
    libvirtUri: options.libvirtUri,
    defaultTargetDirectory: options.defaultTargetDirectory,
    accelerator: onceSettled(() => acceleratorOf(options, log)),
  };
  const resolveSecret = createSecretResolver(options.secrets);
  const transfer = createTransferPlane(options.transfer);
  const sourceDeps: SourceDeps = {
    resolveSecret,
    transfer,
    azure: options.azure,
  };
  const sourceOf = createSources(sourceDeps);
  const guest = createGuestActivities({ host, openSession, resolveSecret, fixes: linuxFixes });

  const preflightDeps = {
    host,
    resolveSecret,
    sourceOf,
    isDrained,
    virsh: (args: readonly string[], signal: AbortSignal) => new Virsh(options.libvirtUri, signal).call(args),
    ownsDomain: (name: string, run: RunRef) => ownsDomain(new Virsh(options.libvirtUri), name, run),
  };

  const placed = new PlacedVms();
  const atWork = new StepsAtWork();
  let running = 0;
  const step = async <T>(
    name: StepName,
    run: RunRef | undefined,
    body: (io: StepIo) => Promise<T>,
  ): Promise<T> => {
    if (run) placed.noteStep(run, name);
    running += 1;
    const stoppable = (io: StepIo) =>
      run ? atWork.run(run, (stop) => body({ ...io, signal: AbortSignal.any([io.signal, stop]) })) : body(io);
    try {
      return await runActivity(name, signalProgress, stoppable);
    } finally {
      running -= 1;
    }
  };

  /**
   * A step that starts a machine. An attempt that Temporal gave up may still be at work on its files: the next
   * waits until it is gone. Appliances that wait for their next step count against the host's memory too.
   */
  const withMachine = async <T>(
    ctx: StepContext,
    what: 'guest' | 'boot',
    io: StepIo,
    body: () => Promise<T>,
  ) => {
    await guest.makeRoom(Math.max(0, slots - running), ctx.run);
    return withFileLock(new WorkDir(host.stateDir, ctx.run).lock(what), io.signal, body);
  };

  const undoing = <T>(name: StepName, { run }: StepContext, body: (io: StepIo) => Promise<T>) =>
    runActivity(name, signalProgress, async (io) => {
      await atWork.stop(run);
      return body(io);
    });
  const undo: UndoActivities = {
    finish: (ctx, report) => runActivity('report', signalProgress, () => finish(ctx, report, { host })),
    releaseSource: (ctx, wishes) =>
      undoing('acquire', ctx, async (io) => {
        const work = new WorkDir(host.stateDir, ctx.run);
        await sourceOf(ctx.spec.source.kind).release?.(sourceRequest(ctx), work, wishes, io);
      }),
    undefineDomain: (ctx) => undoing('report', ctx, (io) => undefineDomain(ctx, { host }, io)),
    discardWork: (ctx, wishes) =>
      undoing('report', ctx, async () => {
        await guest.closeSession(ctx.run);
        placed.forget(ctx.run);
        return discardWork(ctx, wishes, { host });
      }),
  };
  const steps: HostActivities = {
    ...undo,
    preflight: (ctx) =>
      step('preflight', ctx.run, async (io) => {
        const plan = await preflight(ctx, preflightDeps, io);
        const weight = plan.disks.length + (plan.remoteDisks?.length ?? 0);
        const targetGates = await targetGatesOf(options.hostId, plan.targetDirectory, weight);
        return { ...plan, ...(targetGates.length === 0 ? {} : { targetGates }) };
      }),
    acquire: (ctx) =>
      step('acquire', ctx.run, (io) =>
        withSharedBudgets(ctx, askGate, io, (shared) =>
          sourceOf(ctx.spec.source.kind).acquire(
            sourceRequest(ctx, shared),
            new WorkDir(host.stateDir, ctx.run),
            io,
          ),
        ),
      ),
    resyncSource: (ctx, round) =>
      step('acquire', ctx.run, async (io) => {
        const { source } = ctx.spec;
        const from = sourceOf(source.kind);
        if (from.resync)
          return from.resync(sourceRequest(ctx), new WorkDir(host.stateDir, ctx.run), round, io);
        throw new LonghaulError('SPEC_INVALID', {
          found: `of a source of kind ${source.kind} nobody can tell what became different`,
          remedy: 'Migrate it in one go.',
        });
      }),
    listAzureVms: (request) =>
      step('preflight', undefined, async (io) => sendable(await listAzureVms(request, sourceDeps, io))),
    inspectGuest: (ctx, disks) =>
      step('inspect', ctx.run, (io) =>
        withMachine(ctx, 'guest', io, () =>
          orDamaged(ctx, disks, io, () => guest.inspectGuest(ctx, disks, io)),
        ),
      ),
    fixGuest: (ctx, disks, vm) =>
      step('fix', ctx.run, (io) =>
        withMachine(ctx, 'guest', io, () =>
          orDamaged(ctx, disks, io, () => guest.fixGuest(ctx, disks, vm, io)),
        ),
      ),
    planGuest: (ctx, disks, vm) =>
      step('inspect', ctx.run, async (io) => {
        try {
          return await withMachine(ctx, 'guest', io, () => guest.planGuest(ctx, disks, vm, io));
        } finally {
          await new WorkDir(host.stateDir, ctx.run).remove();
        }
      }),
    convertDisk: (ctx, disk, directory) =>
      step('convert', ctx.run, (io) => convertDisk(ctx, disk, directory, { host, io })),
    defineDomain: (ctx, input) => step('define', ctx.run, (io) => defineDomain(ctx, input, { host }, io)),
    verifyBoot: (ctx, domain, disks, expected) =>
      step('verify-boot', ctx.run, (io) =>
        withMachine(ctx, 'boot', io, () => verifyBoot(ctx, domain, disks, { host }, io, expected)),
      ),
  };
  return {
    steps,
    undo,
    sourceOf,
    sourceDeps,
    running: () => running,
    placed,
    close: () => guest.close().finally(() => transfer.close()),
  };
}

async function acceleratorOf({ acceleration, stateDir }: WorkerOptions, log: Logger): Promise<Accelerator> {
  if (acceleration !== 'auto') return acceleration;
  const { accelerator } = await probeAcceleration({ stateDir, signal: AbortSignal.timeout(60_000), log });
  return accelerator;
}

/** Asks once; a failed answer is asked for again. */
function onceSettled<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}
