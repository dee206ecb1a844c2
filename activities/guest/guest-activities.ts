import { stat } from 'node:fs/promises';
import { chooseFirmware } from '../../contracts/firmware.ts';
import type { DiskBus, MigrationSpec } from '../../contracts/spec.ts';
import type { StepContext } from '../../contracts/steps.ts';
import type { AcquiredDisk, FixOutcome, GuestFacts, RunRef, SourceVm } from '../../contracts/values.ts';
import type { Host } from '../host/host.ts';
import type { ResolveSecret } from '../host/secrets.ts';
import type { StepIo } from '../host/step-io.ts';
import { WorkDir } from '../host/work-dir.ts';
import {
  completeOverlays,
  createOverlay,
  discardOverlays,
  overlayPathOf,
  removeOverlay,
} from '../image/overlay.ts';
import { boundedFacts, boundedOutcomes } from './bounded-words.ts';
import { inspectGuest, type Inspection } from './inspector.ts';
import type { Fix, FixContext } from './linux/fix.ts';
import { unlockContainers } from './luks-handler.ts';
import { fixOffline, planOffline } from './offline-fixer.ts';
import { SessionPool } from './session-pool.ts';
import type { GuestSession } from './session/guest-session.ts';
import type { Guestfs } from './session/guestfs.ts';
import type { SessionOptions } from './session/open-session.ts';

export interface GuestDependencies {
  host: Pick<Host, 'stateDir' | 'accelerator'>;
  openSession: (options: SessionOptions) => Promise<GuestSession>;
  resolveSecret: ResolveSecret;
  /** In running order. */
  fixes: readonly Fix[];
  /** How long an appliance waits for the next step; 2 minutes when left out. */
  idleMs?: number;
}

/** Bodies of the guest steps of `HostActivities`. */
export interface GuestActivities {
  inspectGuest(ctx: StepContext, disks: AcquiredDisk[], io: StepIo): Promise<GuestFacts>;
  fixGuest(ctx: StepContext, disks: AcquiredDisk[], vm: SourceVm, io: StepIo): Promise<FixOutcome[]>;
  planGuest(
    ctx: StepContext,
    disks: AcquiredDisk[],
    vm: SourceVm,
    io: StepIo,
  ): Promise<{ facts: GuestFacts; fixes: FixOutcome[] }>;
  /** Closes the session of a run, before its overlays are removed. */
  closeSession(run: RunRef): Promise<void>;
  /** Closes sessions of other runs until `count` are left: each holds the memory of a slot. */
  makeRoom(count: number, run: RunRef): Promise<void>;
  /** Closes all sessions, at the end of the worker. */
  close(): Promise<void>;
}

/** An inspected guest: its appliance runs, its file systems are mounted read-only. */
interface OpenGuest {
  session: GuestSession;
  inspection: Inspection;
}

const defaultIdleMs = 120_000;
/** cryptsetup makes key derivations that take up to 1 GiB (Argon2id); the appliance needs some beside. */
const memoryForLuksMiB = 2048;

/** The guest steps. One appliance serves inspection and fixes of a VM when the same worker runs both. */
export function createGuestActivities(dependencies: GuestDependencies): GuestActivities {
  const { host, fixes } = dependencies;
  const pool = new SessionPool<OpenGuest>(dependencies.idleMs ?? defaultIdleMs);

  /** Fresh overlays, an appliance on them, the guest unlocked, inspected and mounted read-only. */
  async function openGuest(ctx: StepContext, disks: AcquiredDisk[], io: StepIo): Promise<OpenGuest> {
    const { guest: options, target } = ctx.spec;
    const workDir = new WorkDir(host.stateDir, ctx.run);
    await workDir.create();
    await discardOverlays(workDir.scratch);
    for (const disk of disks) {
      await createOverlay(overlayPathOf(workDir.scratch, disk.index), disk.image, io.signal);
    }
    const session = await dependencies.openSession({
      disks: disks.map(({ index }) => ({ path: overlayPathOf(workDir.scratch, index), format: 'qcow2' })),
      accelerator: target.accelerator === 'auto' ? await host.accelerator() : target.accelerator,
      readOnly: false,
      io,
      tmpDir: workDir.scratch,
      // A killed worker cannot remove it; the janitor does.
      onSocketDirectory: (path) => workDir.note(path),
      ...(options.luksKeys.length > 0 ? { memoryMiB: memoryForLuksMiB } : {}),
      // Clevis asks Tang servers. Nobody else needs the appliance to have a network.
      network: options.luksKeys.some(({ clevis }) => clevis === true),
    });
    try {
      const report = (doing: string) => session.report(doing);
      report('unlocking encrypted disks');
      const keys = options.passthrough ? [] : options.luksKeys;
      const unlocked = await unlockContainers(session, keys, dependencies.resolveSecret);
      const inspection = await inspectGuest({
        guest: session,
        launchSeconds: session.launchSeconds,
        unlocked,
        ...(options.root === undefined ? {} : { root: options.root }),
        passthrough: options.passthrough,
        lockedDisks: options.lockedDisks,
        diskBus: diskBusOf(target),
        scratchDir: workDir.scratch,
        signal: io.signal,
        report,
      });
      return { session, inspection };
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async function inspect(ctx: StepContext, disks: AcquiredDisk[], io: StepIo): Promise<GuestFacts> {
    await pool.discard(ctx.run);
    const guest = await openGuest(ctx, disks, io);
    // Without a system there is nothing to fix, and nobody will come for the session.
    if (guest.inspection.mounted === undefined) await guest.session.close();
    else await pool.put(ctx.run, await overlayIdentity(host.stateDir, ctx.run, disks), guest);
    return boundedFacts(guest.inspection.facts);
  }

  async function fix(
    ctx: StepContext,
    disks: AcquiredDisk[],
    vm: SourceVm,
    io: StepIo,
  ): Promise<FixOutcome[]> {
    const identity = await overlayIdentity(host.stateDir, ctx.run, disks);
    // A session in the pool has written nothing yet; whoever takes it to write never puts it back.
    const guest = (await pool.take(ctx.run, identity)) ?? (await openGuest(ctx, disks, io));
    const { scratch } = new WorkDir(host.stateDir, ctx.run);
    let outcomes: FixOutcome[];
    try {
      guest.session.attach(io);
      const { mounted } = guest.inspection;
      if (mounted === undefined) return [];
      outcomes = await fixOffline({ fixes, mounted, context: fixContext(ctx, guest, vm, scratch, io) });
    } finally {
      await guest.session.close();
    }
    // The appliance does not flush what it writes, see open-session.
    io.report('flushing the changed disks');
    await completeOverlays(
      scratch,
      disks.map(({ index }) => index),
    );
    return boundedOutcomes(outcomes);
  }

  async function plan(ctx: StepContext, disks: AcquiredDisk[], vm: SourceVm, io: StepIo) {
    const { scratch } = new WorkDir(host.stateDir, ctx.run);
    try {
      const guest = await openGuest(ctx, disks, io);
      try {
        const { facts, mounted } = guest.inspection;
        if (mounted === undefined) return { facts: boundedFacts(facts), fixes: [] };
        const context = fixContext(ctx, guest, vm, scratch, io);
        return {
          facts: boundedFacts(facts),
          fixes: boundedOutcomes(await planOffline({ fixes, context })),
        };
      } finally {
        await guest.session.close();
      }
    } finally {
      for (const { index, image } of disks) await removeOverlay(overlayPathOf(scratch, index), image);
    }
  }

  return {
    inspectGuest: inspect,
    fixGuest: fix,
    planGuest: plan,
    closeSession: (run) => pool.discard(run),
    makeRoom: (count, run) => pool.keepAtMost(count, run),
    close: () => pool.close(),
  };
}

const diskBusOf = ({ diskBus }: Pick<MigrationSpec['target'], 'diskBus'>): DiskBus =>
  diskBus === 'auto' ? 'virtio' : diskBus;

/** The guest is fixed for the firmware it gets, which need not be the one its disks look like. */
export function fixContext(
  ctx: Pick<StepContext, 'spec'>,
  {
    session,
    inspection,
  }: { session: Guestfs & Pick<GuestSession, 'report'>; inspection: Pick<Inspection, 'facts'> },
  vm: SourceVm,
  scratchDir: string,
  io: StepIo,
): Omit<FixContext, 'earlier'> {
  const { facts } = inspection;
  return {
    guest: session,
    facts: { ...facts, firmware: chooseFirmware(ctx.spec.target, vm, facts) },
    vm,
    options: ctx.spec.guest,
    nicModel: ctx.spec.target.nicModel,
    diskBus: diskBusOf(ctx.spec.target),
    scratchDir,
    signal: io.signal,
    log: io.log,
    report: (doing) => session.report(doing),
  };
}

/** Inodes of the overlays: files made anew under the same names are not the ones a session has open. */
async function overlayIdentity(stateDir: string, run: RunRef, disks: AcquiredDisk[]): Promise<string> {
  const { scratch } = new WorkDir(stateDir, run);
  const inodes = await Promise.all(
    disks.map(async ({ index }) => {
      const found = await stat(overlayPathOf(scratch, index), { bigint: true }).catch(() => undefined);
      return found === undefined ? 'absent' : `${found.dev}:${found.ino}:${found.birthtimeNs}`;
    }),
  );
  return inodes.join(' ');
}
