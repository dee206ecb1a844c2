import type {
  BatchVm,
  Counts,
  PageReport,
  PageView,
  ParkedWord,
  VmOutcome,
  VmStatus,
} from '../../contracts/batch.ts';
import { emptyCounts } from '../../contracts/batch.ts';
import type { MigrationReport, StepFailure } from '../../contracts/steps.ts';
import type { DiskTransfer, TargetDisk } from '../../contracts/values.ts';

/** A page is made with half as many; what it knows has to fit into one answer. */
const maxVms = 100;
/** The longest text of an error that a page keeps for each VM: all of them have to fit into one answer. */
const maxTextLength = 300;

const skippedAs: readonly VmStatus[] = ['migrated before', 'dropped', 'not begun'];
const failedAs: readonly VmStatus[] = ['failed', 'aborted', 'cancelled'];

type EndedReport = Pick<MigrationReport, 'status' | 'hostId' | 'disks' | 'acquired'>;

/** How the VMs of a page fare. Plain state and rules, free of Temporal. */
export class PageState {
  allotted = 0;
  paused = false;
  stopped = false;
  private readonly page: number;
  private readonly wave: string;
  /** All that it has, or had. */
  readonly vms: BatchVm[];
  private readonly waiting: BatchVm[];
  private readonly outcomes: Map<string, VmOutcome>;
  private readonly now: () => string;

  constructor(input: { page: number; wave: string; vms: readonly BatchVm[] }, now: () => string) {
    this.page = input.page;
    this.wave = input.wave;
    this.vms = [...input.vms];
    this.waiting = [...input.vms];
    this.outcomes = new Map(
      input.vms.map(({ migrationId, spec }) => [
        migrationId,
        { vm: spec.name, migrationId, status: 'waiting' },
      ]),
    );
    this.now = now;
  }

  /** The next VM to begin, when it may; it runs from now on. */
  next(): BatchVm | undefined {
    if (this.paused || this.stopped || this.counts().running >= this.allotted) return undefined;
    const vm = this.waiting.shift();
    if (vm) this.change(vm.migrationId, { status: 'running', startedAt: this.now() });
    return vm;
  }

  stop(): void {
    this.stopped = true;
    for (const { migrationId } of this.waiting.splice(0)) this.change(migrationId, { status: 'not begun' });
  }

  /** Why a VM cannot be taken over. */
  refusalToAdopt({ migrationId }: BatchVm): string | undefined {
    if (this.stopped || this.isOver) return 'the page begins nothing more';
    const status = this.outcomes.get(migrationId)?.status;
    if (status !== undefined && status !== 'waiting') return `the VM is ${status}`;
    // Its batch may have given places that it needs no more to other pages.
    if (this.waiting.length === 0) return 'the page has none that waits';
    return this.vms.length < maxVms ? undefined : 'the page is full';
  }

  /** Begins a VM next: one that waits here, or one of another page. */
  adopt(vm: BatchVm): void {
    const { migrationId, spec } = vm;
    const at = this.waiting.findIndex((each) => each.migrationId === migrationId);
    if (at >= 0) this.waiting.splice(at, 1);
    else if (this.outcomes.has(migrationId)) return;
    else {
      this.vms.push(vm);
      this.outcomes.set(migrationId, { vm: spec.name, migrationId, status: 'waiting' });
    }
    this.waiting.unshift(vm);
  }

  /** Why a VM cannot be dropped. */
  refusalToDrop(name: string): string | undefined {
    if (this.waiting.some(({ spec }) => spec.name === name)) return undefined;
    return `${name} is not among those that wait`;
  }

  /** To be asked after `refusalToDrop`. */
  drop(name: string): BatchVm {
    const [vm] = this.waiting.splice(
      this.waiting.findIndex(({ spec }) => spec.name === name),
      1,
    );
    if (vm === undefined) throw new TypeError(`${name} does not wait`);
    this.change(vm.migrationId, { status: 'dropped' });
    return vm;
  }

  /** A migration parked, or goes on. */
  noteParked({ migrationId, failure }: ParkedWord): void {
    const status = this.outcomes.get(migrationId)?.status;
    if (status !== 'running' && status !== 'parked') return;
    this.change(migrationId, failure ? { status: 'parked', ...shortened(failure) } : { status: 'running' });
  }

  noteRefused(migrationId: string): void {
    this.change(migrationId, { status: 'migrated before', startedAt: undefined });
  }

  noteEnd(migrationId: string, report: EndedReport): void {
    const sum = (of: (disk: TargetDisk) => number) => report.disks.reduce((all, disk) => all + of(disk), 0);
    const { status, hostId, acquired = [] } = report;
    const resumedBytes = acquired.reduce((all, { transfer }) => all + resumedIn(transfer), 0);
    this.change(migrationId, {
      status,
      hostId,
      dataBytes: sum(({ dataBytes }) => dataBytes),
      virtualBytes: sum(({ virtualSizeBytes }) => virtualSizeBytes),
      ...(resumedBytes === 0 ? {} : { resumedBytes }),
      endedAt: this.now(),
    });
  }

  noteFailure(migrationId: string, status: VmStatus, failure: StepFailure): void {
    this.change(migrationId, { status, endedAt: this.now(), ...shortened(failure) });
  }

  get isOver(): boolean {
    const { waiting, running, parked } = this.counts();
    return waiting + running + parked === 0;
  }

  /** Migrations under way. */
  get running(): string[] {
    const under = ['running', 'parked'] as VmStatus[];
    return [...this.outcomes.values()]
      .filter(({ status }) => under.includes(status))
      .map((one) => one.migrationId);
  }

  counts(): Counts {
    const counts = emptyCounts();
    for (const { status } of this.outcomes.values()) counts[countedAs(status)] += 1;
    return counts;
  }

  report(ended: boolean): PageReport {
    const dataBytes = [...this.outcomes.values()].reduce((sum, one) => sum + (one.dataBytes ?? 0), 0);
    return { page: this.page, counts: this.counts(), dataBytes, ended };
  }

  view(): PageView {
    return { page: this.page, wave: this.wave, vms: [...this.outcomes.values()] };
  }

  private change(migrationId: string, news: Partial<Record<keyof VmOutcome, unknown>>): void {
    const none = { code: undefined, found: undefined, remedy: undefined };
    this.outcomes.set(migrationId, { ...this.outcomes.get(migrationId), ...none, ...news } as VmOutcome);
  }
}

function countedAs(status: VmStatus): keyof Counts {
  if (skippedAs.includes(status)) return 'skipped';
  if (failedAs.includes(status)) return 'failed';
  if (status === 'waiting' || status === 'parked' || status === 'completed') return status;
  return 'running';
}

const resumedIn = (transfer: DiskTransfer | undefined): number =>
  transfer === undefined ? 0 : Math.max(0, transfer.dataBytes - transfer.fetchedBytes);

const shortened = ({ code, found, remedy }: Pick<StepFailure, 'code' | 'found' | 'remedy'>) => ({
  code,
  found: found.slice(0, maxTextLength),
  remedy: remedy.slice(0, maxTextLength),
});
