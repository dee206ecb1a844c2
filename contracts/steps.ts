import type { AzureInventory, InventoryRequest } from './azure-inventory.ts';
import type { BatchOrder, BatchSelection, Selected, Selector } from './batch-select.ts';
import type { ErrorCode } from './error-codes.ts';
import type { GateCall, GateInput } from './gates.ts';
import type { HostWord } from './hosts.ts';
import type { MigrationSpec } from './spec.ts';
import type {
  AcquiredDisk,
  BootProof,
  ConfiguredAddress,
  DomainRef,
  FixOutcome,
  GuestFacts,
  PreflightResult,
  RunRef,
  SourceVm,
  TargetDisk,
} from './values.ts';

/** The steps of a migration, in order. */
export const stepNames = [
  'placement',
  'preflight',
  'acquire',
  'inspect',
  'fix',
  'convert',
  'define',
  'verify-boot',
  'report',
] as const;
export type StepName = (typeof stepNames)[number];

export type MigrationStatus =
  'running' | 'paused' | 'parked' | 'completed' | 'failed' | 'cancelled' | 'aborted';

/** A failure as it is shown: the error's own words, no stack. */
export interface StepFailure {
  code: ErrorCode;
  message: string;
  found: string;
  remedy: string;
}

export type StepState =
  | { status: 'pending' }
  | { status: 'running'; startedAt: string }
  | { status: 'done'; startedAt: string; endedAt: string; note?: string }
  | { status: 'skipped'; reason: string }
  | { status: 'failed'; startedAt: string; endedAt: string; failure: StepFailure };

/** Bytes done of one disk in the running step. Rate over the last seconds; ETA absent while unknown. */
export interface DiskProgress {
  index: number;
  doneBytes: number;
  totalBytes: number;
  rateBytesPerSecond: number;
  etaSeconds?: number;
}

/** What activities put in heartbeats, and the progress signal carries. */
export interface StepProgress {
  step: StepName;
  /** What is going on, for people: "booting the appliance". */
  doing: string;
  disk?: DiskProgress;
}

/** Answer of the `progress` query: everything a status display needs. */
export interface MigrationView {
  migrationId: string;
  vm: string;
  status: MigrationStatus;
  /** Set while a pause was asked for and the running step has not ended yet. */
  pausing: boolean;
  hostId?: string;
  /** Since when its host is gone, for which a step waits; ISO 8601. */
  hostGone?: string;
  steps: { name: StepName; state: StepState }[];
  doing?: string;
  disks: DiskProgress[];
  /** The last failure, while parked and after an end that was not a success. */
  failure?: StepFailure;
  spec: MigrationSpec;
}

/** Input of `migrateVm`, and of `planVm`. */
export interface MigrationInput {
  spec: MigrationSpec;
  tuning?: Tuning;
  /** The edition of the workflow that it was started for, 1 when absent; see contracts/migration-start.ts. */
  edition?: number;
}

/** Durations of the control plane; the defaults suit production. */
export interface Tuning {
  /** A worker that was killed is noticed after this long. Default 30. */
  heartbeatTimeoutSeconds?: number;
  /** First pause before a retryable failure is tried again, doubled each time up to 5 minutes. Default 2. */
  retryInitialSeconds?: number;
  /** Attempts of a step before the migration parks. Default 10. */
  retryMaximumAttempts?: number;
  /** A gate takes back within this what a migration held that was lost. Default 60. */
  leaseSeconds?: number;
}

/** An operator's answer to a parked step. `spec` replaces the spec for what follows, validated by the client. */
export interface Resolution {
  action: 'retry' | 'skip' | 'abort';
  spec?: MigrationSpec;
}

/** Where a migration is to be begun again: on a host, else on any, else on one with labels. */
export interface Elsewhere {
  host?: string;
  labels?: string[];
}

/** Input of `cleanUpHost`: a run that was taken from a host. */
export interface LeftoverInput extends StepContext {
  hostId: string;
}

/** Where a VM was placed. */
export interface Placement {
  hostId: string;
}

/** Given to every activity of a run. */
export interface StepContext {
  run: RunRef;
  spec: MigrationSpec;
}

export interface MigrationReport {
  migrationId: string;
  vm: string;
  status: MigrationStatus;
  hostId?: string;
  startedAt: string;
  endedAt: string;
  steps: { name: StepName; state: StepState }[];
  preflight?: PreflightResult;
  facts?: GuestFacts;
  fixes: FixOutcome[];
  /** The source's disks, once all are on the host. */
  acquired?: AcquiredDisk[];
  disks: TargetDisk[];
  domain?: DomainRef;
  boot?: BootProof;
  failure?: StepFailure;
  /** What was left on purpose, for example finished disks after a cancel. */
  kept: string[];
}

/** Input of `inventoryAzure`. */
export interface InventoryInput {
  hostId: string;
  request: InventoryRequest;
}

/** Result of `planVm`: preflight's findings and what each fix would change. */
export interface MigrationPlan {
  preflight: PreflightResult;
  facts?: GuestFacts;
  fixes: FixOutcome[];
}

/** Activities polled from the shared placement queue. */
export interface PlacementActivities {
  /** Reserves this host for the VM, or fails with HOST_NO_CAPACITY so that another one takes it. */
  placeVm(ctx: StepContext, wishes?: PlacementWishes): Promise<Placement>;
}

export interface PlacementWishes {
  /** Id of a host that must not take it. */
  avoid?: string;
  /** Nothing will be made there: no room need be kept. */
  onlyLook?: boolean;
}

/** Activities that need no disk: any host takes them, from the placement queue. */
export interface FleetActivities {
  /** Those of some workflows that run no more, whoever ended them. */
  findEnded(workflowIds: string[]): Promise<string[]>;
  /** Whether somebody else than a batch, which was begun then, migrates a VM now. */
  isUnderWayElsewhere(migrationId: string, batchId: string, begunAt?: string): Promise<boolean>;
  /** Ids of those runs that are over, also when another run of the same migration is under way. */
  findEndedRuns(runs: RunRef[]): Promise<string[]>;
  /** Calls a gate. One that does not run is started with what its last run knew. */
  callGate(input: GateInput, call: GateCall): Promise<void>;
  /** Tells the migrations on a host that it is gone, or back. */
  tellMigrations(word: HostWord): Promise<void>;
}

/** Where a batch looks for VMs: in a source, or in what was written down. */
export interface FillRequest extends Partial<Pick<BatchSelection, 'listed' | 'defaults' | 'overrides'>> {
  batchId: string;
  order: BatchOrder;
  selector?: Selector;
}

/** Activities that ask sources what there is, from the queue of any host or a host's undo queue. */
export interface InventoryActivities {
  /** Looks VMs up and hands them over to the batch; called again after an interruption it goes on. */
  fillBatch(request: FillRequest): Promise<Selected>;
}

/** Activities polled from a host's own queue. All are idempotent for one `RunRef`. */
export interface HostActivities {
  /** Everything cheap that could stop the migration later. Creates nothing. */
  preflight(ctx: StepContext): Promise<PreflightResult>;
  acquire(ctx: StepContext): Promise<AcquiredDisk[]>;
  /** Brings fetched disks up to date with the source; round 1 follows `acquire`. */
  resyncSource(ctx: StepContext, round: number): Promise<AcquiredDisk[]>;
  /**
   * Takes back what `acquire` made at the source: access to the disks, snapshots. Also a compensation.
   * `restart`: starts the VM again if this run stopped it.
   */
  releaseSource(ctx: StepContext, wishes: ReleaseWishes): Promise<void>;
  /** Makes fresh overlays, starts the appliance on them, looks. Leaves the session open for `fixGuest`. */
  inspectGuest(ctx: StepContext, disks: AcquiredDisk[]): Promise<GuestFacts>;
  /** Applies the fixes on the overlays of `inspectGuest` (made again when they are gone), trims, closes. */
  fixGuest(ctx: StepContext, disks: AcquiredDisk[], vm: SourceVm): Promise<FixOutcome[]>;
  /** What there is in Azure, as the host's logins see it. Of no run; refuses more than fits into an answer. */
  listAzureVms(request: InventoryRequest): Promise<AzureInventory>;
  /** What `inspectGuest` and `fixGuest` would see and do, on throwaway overlays. */
  planGuest(
    ctx: StepContext,
    disks: AcquiredDisk[],
    vm: SourceVm,
  ): Promise<{ facts: GuestFacts; fixes: FixOutcome[] }>;
  /** One disk from overlay to final name. */
  convertDisk(ctx: StepContext, disk: AcquiredDisk, targetDirectory: string): Promise<TargetDisk>;
  defineDomain(ctx: StepContext, input: DefineInput): Promise<DomainRef>;
  /** `expected`: addresses the guest is to show; see `expectedAddresses`. */
  verifyBoot(
    ctx: StepContext,
    domain: DomainRef,
    disks: TargetDisk[],
    expected?: ConfiguredAddress[],
  ): Promise<BootProof>;
  /** Keeps the report (JSON and Markdown) on the host and removes overlays and work files. */
  finish(ctx: StepContext, report: MigrationReport): Promise<{ reportPath: string }>;
  /** Compensation: undefines the domain if this run defined it. */
  undefineDomain(ctx: StepContext): Promise<void>;
  /** Compensation: removes overlays, partial files, open sessions; finished disks too when `purgeDisks`. */
  discardWork(
    ctx: StepContext,
    options: { purgeDisks: boolean; targetDirectory?: string },
  ): Promise<{ kept: string[] }>;
}

export interface ReleaseWishes {
  restart: boolean;
  /** An earlier run of the migration, on a host that it was taken from, may have stopped the VM. */
  stoppedBefore?: boolean;
  /** The migration went on elsewhere, which takes care of a VM that this run stopped. */
  handedOver?: boolean;
}

/** Compensations, polled from a host's undo queue. Of one host's queues each is served by the same process. */
export type UndoActivities = Pick<
  HostActivities,
  'releaseSource' | 'undefineDomain' | 'discardWork' | 'finish'
>;

export interface DefineInput {
  vm: SourceVm;
  /** Absent when the guest was not inspected. */
  facts?: GuestFacts;
  disks: TargetDisk[];
  accelerator: 'kvm' | 'tcg';
}
