import type { HostBook, HostFacts } from '../../contracts/hosts.ts';

/** What is known of one host. Plain state and rules, free of Temporal. Times in ISO 8601. */
export class HostState {
  readonly book: HostBook;
  /** What the host was told last and heeds now: undefined while nobody knows whether it is there. */
  heeds: boolean | undefined;

  constructor(book: HostBook = { drained: false }) {
    this.book = book;
  }

  /** @returns whether that is new */
  setDrained(drained: boolean): boolean {
    const isNew = this.book.drained !== drained;
    this.book.drained = drained;
    return isNew;
  }

  /**
   * The host has answered.
   *
   * @param drained what it was told
   * @returns whether it is back after it was gone
   */
  noteGreeted(facts: HostFacts, drained: boolean, at: string): boolean {
    const isBack = this.book.gone !== undefined;
    this.book.facts = facts;
    this.heeds = drained;
    if (isBack) delete this.book.gone;
    if (isBack || this.book.here === undefined) this.book.here = at;
    return isBack;
  }

  /** Whether it is there is not known now. */
  noteUnsure(): void {
    this.heeds = undefined;
  }

  /** It did not answer in time. @returns whether that is new */
  noteGone(since: string): boolean {
    if (this.book.gone !== undefined) return false;
    this.book.gone = since;
    return true;
  }

  /** The host does as it should; or it is gone, and will only when it is back. */
  get isSettled(): boolean {
    return this.book.gone !== undefined || this.heeds === this.book.drained;
  }
}
