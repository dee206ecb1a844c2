import type { MigrationSpec, SourceKind } from '../../contracts/spec.ts';
import type { AcquiredDisk, SourceVm } from '../../contracts/values.ts';
import type { StepIo } from '../host/step-io.ts';
import type { WorkDir } from '../host/work-dir.ts';

/** The part of a spec that speaks of a source of one kind. */
type SpecOf<K extends SourceKind> = Extract<MigrationSpec['source'], { kind: K }>;

/** What a source is asked about: one VM of it. */
export interface SourceRequest<K extends SourceKind = SourceKind> {
  /** Name of the VM as it will be called. */
  name: string;
  source: SpecOf<K>;
}

/**
 * Where VMs come from. One folder per source; nothing behind this interface is known outside the folder.
 * Both calls may be repeated at any time and throw LonghaulError.
 */
export interface Source<K extends SourceKind = SourceKind> {
  readonly kind: K;

  /**
   * The VM and its disks as they can be known cheaply: headers and metadata, no disk content. Creates
   * nothing anywhere. Everything that makes the source unusable is found here, before the migration starts.
   */
  describe(request: SourceRequest<K>, io: StepIo): Promise<{ vm: SourceVm; disks: AcquiredDisk[] }>;

  /**
   * Brings the disks to this host, or opens them in place, in guest order. Afterwards they are complete
   * and read-only. Called again after an interruption it carries on from what lies in `work`.
   */
  acquire(request: SourceRequest<K>, work: WorkDir, io: StepIo): Promise<AcquiredDisk[]>;
}
