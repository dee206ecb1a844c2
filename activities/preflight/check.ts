import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import { blocker } from '../../contracts/findings.ts';
import type { MigrationSpec } from '../../contracts/spec.ts';
import type {
  Accelerator,
  AcquiredDisk,
  Finding,
  RemoteDisk,
  RunRef,
  SourceVm,
} from '../../contracts/values.ts';
import type { Host } from '../host/host.ts';
import type { ResolveSecret } from '../host/secrets.ts';
import type { SourceOf } from '../sources/registry.ts';
import type { StepIo } from '../host/step-io.ts';

/** What preflight asks of the host. */
export interface PreflightDeps {
  host: Host;
  /**
   * Runs virsh(1) on the host's libvirt and gives its standard output.
   * Throws LonghaulError LIBVIRT_UNREACHABLE when libvirt does not answer, else TOOL_FAILED.
   */
  readonly virsh: (args: readonly string[], signal: AbortSignal) => Promise<string>;
  /** Whether that domain was defined by this very run, which then may define it again. */
  readonly ownsDomain: (name: string, run: RunRef) => Promise<boolean>;
  /** Throws LonghaulError SECRET_UNRESOLVED. */
  readonly resolveSecret: ResolveSecret;
  readonly sourceOf: SourceOf;
  /** Whether this host takes no more VMs. */
  readonly isDrained: () => boolean;
}

/** What the checks stand on: the spec, and what was found out before they are made. */
export interface Subject {
  run: RunRef;
  spec: MigrationSpec;
  vm: SourceVm;
  /** Empty when the source could not be described. */
  disks: readonly AcquiredDisk[];
  /** Those that are fetched first. */
  remoteDisks: readonly RemoteDisk[];
  /** Absent when a pool was named and cannot be used. */
  targetDirectory: string | undefined;
  accelerator: Accelerator;
  deps: PreflightDeps;
  io: StepIo;
}

/** Looks at one thing and says everything it finds about it; creates nothing. */
export type Check = (subject: Subject) => Promise<Finding[]> | Finding[];

/**
 * Makes a check. One that cannot be made blocks the migration: nobody knows what it would have found. Only
 * a cancellation gets through.
 */
export async function findingsOf(
  check: () => Promise<Finding[]> | Finding[],
  io: StepIo,
): Promise<Finding[]> {
  io.signal.throwIfAborted();
  try {
    return await check();
  } catch (error) {
    io.signal.throwIfAborted();
    return [blockerOf(error)];
  }
}

function blockerOf(error: unknown): Finding {
  if (error instanceof LonghaulError) return blocker(error.code, error.found, error.remedy);
  return blocker('INTERNAL', messageOf(error), 'Report this as a defect of Longhaul.');
}
