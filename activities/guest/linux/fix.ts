import type { Log } from '../../host/step-io.ts';
import type { ConfiguredAddress, FixChange, GuestFacts, SourceVm } from '../../../contracts/values.ts';
import type { DiskBus, MigrationSpec, NicModel } from '../../../contracts/spec.ts';
import type { Guestfs } from '../session/guestfs.ts';

/** What a fix works with. The guest's file systems are mounted at their places, writable unless planning. */
export interface FixContext {
  guest: Guestfs;
  facts: GuestFacts;
  vm: SourceVm;
  options: MigrationSpec['guest'];
  /** What the new VM's cards are; virtio when left out. */
  nicModel?: NicModel;
  /** The bus the disks will be on; virtio when left out. */
  diskBus?: DiskBus;
  /** What the fixes before this one changed, or in a plan would change. */
  earlier: readonly EarlierChange[];
  /** An existing private directory on the host for files that are removed again. */
  scratchDir: string;
  signal: AbortSignal;
  log: Log;
  /** Says what is going on, for long fixes. */
  report(doing: string): void;
}

export interface EarlierChange extends FixChange {
  /** In milliseconds since 1970, when programs of the guest began to run for it, which write files that nobody lists. */
  ranProgramsAt?: number;
}

/**
 * A change a fix intends: what people are told, and how to make it. Where it went another way than planned,
 * `apply` corrects its own `what`.
 */
export interface PlannedChange extends FixChange {
  /** Set where `apply` runs programs of the guest that write files besides the one named. */
  runsPrograms?: true;
  apply(guest: Guestfs): Promise<void>;
}

export interface FixPlan {
  changes: PlannedChange[];
  /** What was seen and left alone, each one sentence. */
  warnings: string[];
  /** See FixOutcome. */
  addresses?: ConfiguredAddress[];
}

/**
 * One repair of a Linux guest, in a file of its own. `plan` reads only; applying its changes and planning
 * again yields no change (every fix is idempotent). Input from the guest is hostile: a file a fix cannot
 * parse is left alone and becomes a warning.
 */
export interface Fix {
  /** Short kebab-case name, for example `fstab`. */
  readonly id: string;
  readonly title: string;
  /** A critical fix that fails fails the migration: without it the guest would not boot. */
  readonly critical: boolean;
  applies(facts: GuestFacts): boolean;
  plan(context: FixContext): Promise<FixPlan>;
}
