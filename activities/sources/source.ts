import type { ReleaseWishes, StepContext } from '../../contracts/steps.ts';
import type { MigrationSpec, SourceKind } from '../../contracts/spec.ts';
import type { AcquiredDisk, Finding, RemoteDisk, RunRef, SourceVm } from '../../contracts/values.ts';
import type { ResolveSecret } from '../host/secrets.ts';
import type { StepIo } from '../host/step-io.ts';
import type { WorkDir } from '../host/work-dir.ts';
import { RateLimit } from '../transfer/rate-limit.ts';
import type { TransferPlane } from '../transfer/transfer-plane.ts';
import type { AzureOptions } from './azure/clouds.ts';

/** The part of a spec that speaks of a source of one kind. */
export type SpecOf<K extends SourceKind> = Extract<MigrationSpec['source'], { kind: K }>;

/** What a source is asked about: one VM of it. */
export interface SourceRequest<K extends SourceKind = SourceKind> {
  /** Name of the VM as it will be called. */
  name: string;
  source: SpecOf<K>;
  /** What is made at the source carries it, so that it is found again. */
  run: RunRef;
  /** Of the migration, for all of its disks together; those of the host hold besides. */
  limits?: readonly RateLimit[];
}

/** @param shared limits that others have a share in */
export function sourceRequest({ run, spec }: StepContext, shared: readonly RateLimit[] = []): SourceRequest {
  const { name, source, policy } = spec;
  const { maxMiBPerSecond } = policy;
  const own = maxMiBPerSecond === undefined ? [] : [new RateLimit(maxMiBPerSecond * 1024 ** 2)];
  return { name, source, run, limits: [...own, ...shared] };
}

/** What sources need of the worker. */
export interface SourceDeps {
  resolveSecret: ResolveSecret;
  transfer: TransferPlane;
  azure: AzureOptions;
}

export interface Described {
  vm: SourceVm;
  /** Disks that lie on this host. */
  disks: AcquiredDisk[];
  /** Disks that `acquire` fetches. */
  remoteDisks?: RemoteDisk[];
  /** What stands in the way, or what an operator should know. */
  findings?: Finding[];
}

/**
 * Where VMs come from. One folder per source; nothing behind this interface is known outside the folder.
 * All calls may be repeated at any time and throw LonghaulError.
 */
export interface Source<K extends SourceKind = SourceKind> {
  readonly kind: K;

  /**
   * The VM and its disks as they can be known cheaply: headers and metadata, no disk content. Creates
   * nothing anywhere. Everything that makes the source unusable is found here, before the migration starts.
   */
  describe(request: SourceRequest<K>, io: StepIo): Promise<Described>;

  /**
   * Brings the disks to this host, or opens them in place, in guest order. Afterwards they are complete
   * and read-only. Called again after an interruption it carries on from what lies in `work`.
   */
  acquire(request: SourceRequest<K>, work: WorkDir, io: StepIo): Promise<AcquiredDisk[]>;

  /**
   * Brings disks that `acquire` fetched up to date with the source, by what became different. Of a source
   * without it disks are fetched whole each time.
   *
   * @param round counts from 1; called again with the same one, it carries on
   */
  resync?(request: SourceRequest<K>, work: WorkDir, round: number, io: StepIo): Promise<AcquiredDisk[]>;

  /**
   * Takes back what was made at the source: access, snapshots; and starts a VM again that was stopped for the
   * run, or for one before it, when `restart`. Of a source without it nothing is made anywhere. Nothing there is no error.
   */
  release?(request: SourceRequest<K>, work: WorkDir, wishes: ReleaseWishes, io: StepIo): Promise<void>;

  /**
   * The same as `release` for a run that has ended and is not asked about any more, by what it noted in `work`. A VM
   * that was stopped for it is started again when the run was given up and its spec did not forbid that.
   *
   * @returns whether there was anything to do
   */
  releaseAbandoned?(work: WorkDir, end: { givenUp: boolean }, io: StepIo): Promise<boolean>;
}
