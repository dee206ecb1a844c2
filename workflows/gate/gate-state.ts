import {
  defaultLimitOf,
  maxBookLength,
  type GateBook,
  type GateCall,
  type GateEntry,
  type GateInput,
  type GateWord,
  usedOf,
} from '../../contracts/gates.ts';

/** What a gate has to tell a migration. */
export interface Telling {
  entry: GateEntry;
  word: GateWord;
}

/**
 * Who holds places of a gate and who waits. Batches take turns, and within one the first to come is the first to go.
 * Plain state and rules, free of Temporal.
 */
export class GateState {
  readonly book: GateBook;
  private readonly key: string;
  private asked: GateEntry[] = [];

  constructor({ key, book }: GateInput) {
    this.key = key;
    this.book = book ?? { limit: defaultLimitOf(key), holders: [], lines: [] };
  }

  noteCall(call: GateCall): void {
    if ('leave' in call) this.leave(call.leave);
    else this.enter(call.enter, call.line);
  }

  private enter(entry: GateEntry, line: string): void {
    this.asked.push(entry);
    if (this.isKnown(entry)) return;
    // Of one workflow id a single run is under way, in a single try: what an earlier one had is free.
    this.remove(({ migrationId }) => migrationId === entry.migrationId);
    if (JSON.stringify(this.book).length > maxBookLength) return;
    const { lines } = this.book;
    const known = lines.find((each) => each.line === line);
    if (known) known.waiting.push(entry);
    else lines.push({ line, waiting: [entry] });
  }

  /** @param bytesPerSecond null: as fast as it goes */
  noteBudget(bytesPerSecond: number | null): void {
    if (bytesPerSecond === null) delete this.book.bytesPerSecond;
    else this.book.bytesPerSecond = bytesPerSecond;
  }

  /** Takes an entry out, wherever it is. */
  leave(entry: GateEntry): void {
    this.remove((each) => isSame(each, entry));
  }

  /** Takes those of some runs out that have ended. */
  noteEnded(runIds: readonly string[]): void {
    this.remove(({ runId }) => runIds.includes(runId));
  }

  private remove(isOut: (entry: GateEntry) => boolean): void {
    const rest = (entries: GateEntry[]) => entries.filter((entry) => !isOut(entry));
    this.book.holders = rest(this.book.holders);
    this.book.lines = this.book.lines
      .map(({ line, waiting }) => ({ line, waiting: rest(waiting) }))
      .filter(({ waiting }) => waiting.length > 0);
  }

  /** Lets in whoever has room now. @returns words to them, and to those that asked and wait */
  turn(): Telling[] {
    const asked = this.asked;
    this.asked = [];
    const granted = this.grant();
    const others = asked.filter((entry) => !granted.some((each) => isSame(each, entry)));
    return [...granted, ...others].map((entry) => ({ entry, word: this.wordTo(entry) }));
  }

  private grant(): GateEntry[] {
    const granted: GateEntry[] = [];
    for (;;) {
      // One that needs more room than there is keeps its turn: otherwise it would wait for ever.
      const [first] = this.book.lines;
      const [entry] = first?.waiting ?? [];
      if (!first || !entry || !this.hasRoomFor(entry)) return granted;
      this.book.lines.shift();
      if (first.waiting.length > 1)
        this.book.lines.push({ line: first.line, waiting: first.waiting.slice(1) });
      this.book.holders.push(entry);
      granted.push(entry);
    }
  }

  /** One that needs more than all there is may go when nobody else is there. */
  private hasRoomFor({ weight }: GateEntry): boolean {
    const { limit } = this.book;
    return limit > 0 && Math.min(weight, limit) <= limit - usedOf(this.book);
  }

  private wordTo(entry: GateEntry): GateWord {
    const granted = this.book.holders.some((each) => isSame(each, entry));
    return { key: this.key, turn: entry.turn, granted, before: granted ? 0 : this.before(entry) };
  }

  private before(entry: GateEntry): number {
    const { lines } = this.book;
    const own = lines.findIndex(({ waiting }) => waiting.some((each) => isSame(each, entry)));
    if (own < 0) return this.waiting.length;
    const rounds = lines[own]?.waiting.findIndex((each) => isSame(each, entry)) ?? 0;
    return lines.reduce((sum, { waiting }, index) => {
      if (index === own) return sum + rounds;
      return sum + Math.min(waiting.length, index < own ? rounds + 1 : rounds);
    }, 0);
  }

  private isKnown(entry: GateEntry): boolean {
    return [...this.book.holders, ...this.waiting].some((each) => isSame(each, entry));
  }

  private get waiting(): GateEntry[] {
    return this.book.lines.flatMap(({ waiting }) => waiting);
  }

  /** Nothing would be lost if it were not there. */
  get isIdle(): boolean {
    const { limit, bytesPerSecond, holders, lines } = this.book;
    const isAsByDefault = limit === defaultLimitOf(this.key) && bytesPerSecond === undefined;
    return holders.length === 0 && lines.length === 0 && isAsByDefault;
  }
}

const isSame = (one: GateEntry, other: GateEntry): boolean =>
  one.migrationId === other.migrationId && one.runId === other.runId && one.turn === other.turn;
