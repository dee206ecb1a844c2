import {
  type BatchCarried,
  type BatchInput,
  type BatchPage,
  type BatchStatus,
  type BatchView,
  countOf,
  type Counts,
  emptyCounts,
  type PageRef,
  type PageReport,
  sumOf,
  type Wave,
} from '../../contracts/batch.ts';
import type { Selected, Selector } from '../../contracts/batch-select.ts';
import type { StepFailure } from '../../contracts/steps.ts';
import { isOpen, msToEdge } from '../../contracts/time-window.ts';
import { unpacked } from './carried-pages.ts';

/** More pages than that do not fit into what is carried over. They have room for a hundred thousand VMs. */
const maxPages = 2500;

/** Where a batch is: its pages, their shares of the window, the wave that is on. Plain state and rules, free of Temporal. */
export class BatchState {
  readonly input: BatchInput;
  readonly carried: BatchCarried;
  ended: 'completed' | 'stopped' | 'failed' | 'cancelled' | undefined;
  failure: StepFailure | undefined;
  private readonly now: () => Date;

  constructor(input: BatchInput, now: () => Date) {
    this.input = input;
    this.now = now;
    this.carried = input.carried ? unpacked(input.carried) : begun(input, now());
  }

  refusalToRegister({ page, wave }: PageRef): string | undefined {
    if (this.isKnown(page)) return undefined;
    if (this.input.waves[wave] === undefined) return `there is no wave ${wave + 1}`;
    if (wave < this.carried.wave) return `the wave ${this.input.waves[wave].name} is over`;
    if (this.ended !== undefined || this.carried.stopped !== undefined) return 'the batch has been stopped';
    return this.carried.pages.length < maxPages ? undefined : `${maxPages} pages wait already`;
  }

  register({ page, wave, vms, first }: PageRef): void {
    if (this.isKnown(page)) return;
    const made = { page, wave, allotted: 0, counts: { ...emptyCounts(), waiting: vms }, dataBytes: 0 };
    const { pages } = this.carried;
    const at = first === true ? pages.findIndex((each) => each.wave === wave && each.allotted === 0) : -1;
    if (at < 0) pages.push(made);
    else pages.splice(at, 0, made);
    this.noteNumber(page);
  }

  /** A page of this batch that says of itself that it is there. @returns whether it is taken */
  takes({ page, counts, claim }: PageReport): boolean {
    const wave = this.input.waves.findIndex(({ name }) => name === claim?.wave);
    const ref = { page, wave, vms: counts.waiting };
    if (claim?.begunAt !== this.carried.startedAt || this.isKnown(page)) return false;
    if (this.refusalToRegister(ref) !== undefined) return false;
    this.register(ref);
    return true;
  }

  private noteNumber(page: number): void {
    const { lastPage, skipped = [] } = this.carried;
    const between = Array.from(
      { length: Math.max(0, page - lastPage - 1) },
      (_one, index) => lastPage + index + 1,
    );
    const open = [...skipped.filter((each) => each !== page), ...between];
    if (open.length > 0) this.carried.skipped = open;
    else delete this.carried.skipped;
    this.carried.lastPage = Math.max(lastPage, page);
  }

  private isKnown(page: number): boolean {
    const { lastPage, skipped = [] } = this.carried;
    return page <= lastPage && !skipped.includes(page);
  }

  /** What is still to be looked up: those listed, then the selectors by their index. */
  get toSelect(): number | 'listed' | undefined {
    const { selection } = this.input;
    const done = this.carried.looked ?? 0;
    if (selection === undefined || done > selection.select.length) return undefined;
    return done === 0 ? 'listed' : done - 1;
  }

  private get looking(): BatchView['looking'] {
    const which = this.toSelect;
    const selector = typeof which === 'number' ? this.input.selection?.select[which] : undefined;
    if (selector === undefined || !this.carried.sealed || this.ended !== undefined) return undefined;
    const { host } = selector;
    return { what: placeOf(selector), ...(host === undefined ? {} : { host }) };
  }

  noteSelected(selected: Selected): void {
    const { selected: before, looked = 0 } = this.carried;
    // Those that were written down may have come from a client.
    const vms = looked === 0 ? countOf(this.counts()) : selected.vms;
    const now = { ...selected, vms };
    this.carried.selected = before === undefined ? now : together(before, now);
    this.carried.looked = looked + 1;
  }

  refusalToApprove(name: string): string | undefined {
    const wave = this.input.waves.find((each) => each.name === name);
    if (wave === undefined)
      return `there is no wave ${name}; there are ${this.input.waves.map((each) => each.name).join(', ')}`;
    return wave.approval ? undefined : `the wave ${name} needs no approval`;
  }

  approve(name: string): void {
    if (!this.carried.approved.includes(name)) this.carried.approved.push(name);
  }

  /** @returns whether it is one of its pages */
  noteReport({ page, counts, dataBytes, ended }: PageReport): boolean {
    const known = this.carried.pages.find((each) => each.page === page);
    if (known === undefined) return false;
    Object.assign(known, { counts, dataBytes });
    if (ended) this.fold(known);
    return true;
  }

  /** The workflow of a page was ended from outside: what of its VMs had not ended then counts as failed. */
  noteLost(page: number): void {
    const known = this.carried.pages.find((each) => each.page === page);
    if (known === undefined) return;
    const { waiting, running, parked, ...rest } = known.counts;
    known.counts = {
      ...emptyCounts(),
      ...rest,
      failed: rest.failed + running + parked,
      skipped: rest.skipped + waiting,
    };
    this.totals(known.wave).lostPages += 1;
    this.fold(known);
  }

  private fold(page: BatchPage): void {
    const totals = this.totals(page.wave);
    totals.counts = sumOf([totals.counts, page.counts]);
    totals.dataBytes += page.dataBytes;
    this.carried.pages = this.carried.pages.filter((each) => each !== page);
  }

  private totals(wave: number) {
    return (this.carried.ended[wave] ??= noTotals());
  }

  get wave(): Wave | undefined {
    return this.input.waves[this.carried.wave];
  }

  /** Pages of the wave that is on, and have not ended. */
  get pages(): BatchPage[] {
    return this.carried.pages.filter(({ wave }) => wave === this.carried.wave);
  }

  get active(): BatchPage[] {
    return this.carried.pages.filter(({ allotted }) => allotted > 0);
  }

  get needsApproval(): boolean {
    const { wave } = this;
    return wave !== undefined && wave.approval && !this.carried.approved.includes(wave.name);
  }

  get isHeld(): boolean {
    return this.carried.paused || !this.isWindowOpen;
  }

  private get isWindowOpen(): boolean {
    const window = this.wave?.window;
    return window === undefined || isOpen(window, this.now());
  }

  /** Until the window of the wave opens or closes. */
  get msToEdge(): number | undefined {
    const window = this.wave?.window;
    return window === undefined ? undefined : msToEdge(window, this.now());
  }

  /**
   * Shares what is free of the window out: first to pages that were begun, then to the next. @returns those that get more
   */
  share(): BatchPage[] {
    const pages = this.pages;
    let free = this.input.atOnce - pages.reduce((sum, page) => sum + this.taken(page), 0);
    const changed: BatchPage[] = [];
    for (const page of pages) {
      if (free <= 0) break;
      const more = Math.min(free, page.counts.waiting + page.counts.running - page.allotted);
      if (more <= 0) continue;
      page.allotted += more;
      free -= more;
      changed.push(page);
    }
    return changed;
  }

  /** Of a page with VMs that wait it is not known exactly what runs: as many as it may. */
  private taken({ allotted, counts }: BatchPage): number {
    return counts.waiting > 0 ? allotted : Math.min(allotted, counts.running);
  }

  /** Whether so many have failed that the policy stops the wave or the batch. */
  get mustStop(): 'wave' | 'batch' | undefined {
    const { then, failures, percent } = this.input.onFailure;
    if (then === 'continue') return undefined;
    const scope = then === 'stop-wave' ? 'wave' : 'batch';
    const counts = scope === 'wave' ? this.countsOf(this.carried.wave) : this.counts();
    const tooMany =
      (failures !== undefined && counts.failed >= failures) ||
      (percent !== undefined && counts.failed * 100 >= percent * countOf(counts) && counts.failed > 0);
    return tooMany ? scope : undefined;
  }

  countsOf(wave: number): Counts {
    const going = this.carried.pages.filter((page) => page.wave === wave).map((page) => page.counts);
    return sumOf([this.totals(wave).counts, ...going]);
  }

  counts(): Counts {
    return sumOf(this.input.waves.map((_wave, index) => this.countsOf(index)));
  }

  get status(): BatchStatus {
    if (this.ended !== undefined) return this.ended;
    if (!this.carried.sealed || this.toSelect !== undefined) return 'filling';
    if (this.carried.paused) return 'paused';
    if (this.needsApproval) return 'waiting for approval';
    return this.isWindowOpen ? 'running' : 'waiting for its window';
  }

  view(batchId: string): BatchView {
    const { waves, name, atOnce, onFailure } = this.input;
    const { carried, looking, msToEdge: ms } = this;
    const all = [...carried.ended, ...carried.pages];
    return {
      batchId,
      name,
      status: this.status,
      startedAt: carried.startedAt,
      atOnce,
      onFailure,
      wave: carried.wave,
      waves: waves.map((wave, index) => ({
        ...wave,
        approved: carried.approved.includes(wave.name),
        counts: this.countsOf(index),
      })),
      counts: this.counts(),
      dataBytes: all.reduce((sum, { dataBytes }) => sum + dataBytes, 0),
      activePages: this.active.map(({ page }) => page),
      lastPage: carried.lastPage,
      lostPages: carried.ended.reduce((sum, { lostPages }) => sum + lostPages, 0),
      ...(looking === undefined ? {} : { looking }),
      ...(carried.selected === undefined ? {} : { selected: carried.selected }),
      ...(this.failure === undefined ? {} : { failure: this.failure }),
      ...(ms === undefined ? {} : { windowEdgeAt: new Date(this.now().getTime() + ms).toISOString() }),
    };
  }
}

const begun = ({ waves, unattended, pagesBefore = 0 }: BatchInput, now: Date): BatchCarried => ({
  startedAt: now.toISOString(),
  sealed: unattended === true,
  paused: false,
  held: false,
  wave: 0,
  approved: [],
  pages: [],
  lastPage: pagesBefore,
  ended: waves.map(noTotals),
});

/** What a selector looks through, in words. */
const placeOf = ({ azure, files, host }: Selector): string =>
  azure === undefined
    ? `the files in ${files?.directory ?? '/'} on ${host ?? 'any host'}`
    : `the VMs of the subscription ${azure.subscription}${host === undefined ? '' : `, as ${host} sees them`}`;

const noTotals = () => ({ counts: emptyCounts(), dataBytes: 0, lostPages: 0 });

/** Sentences that a view holds at most. */
const maxTold = 20;

const together = (one: Selected, other: Selected): Selected => ({
  vms: one.vms + other.vms,
  leftOut: one.leftOut + other.leftOut,
  refused: [...one.refused, ...other.refused].slice(0, maxTold),
  refusedCount: one.refusedCount + other.refusedCount,
  gaps: [...one.gaps, ...other.gaps].slice(0, maxTold),
});
