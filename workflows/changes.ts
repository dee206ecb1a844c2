import { condition, workflowInfo } from '@temporalio/workflow';

/** Messages change something, and a loop looks what is to be done then. */
export class Changes {
  private count = 0;

  /** Something was changed. */
  note(): void {
    this.count += 1;
  }

  /** Makes a change. @returns what an update answers */
  after(change: () => unknown): null {
    change();
    this.note();
    return null;
  }

  /** Where it is now: to be taken before looking, so that nothing that comes meanwhile is missed. */
  get seen(): number {
    return this.count;
  }

  /**
   * Waits for a change behind that place. @returns false when none came in so many milliseconds
   *
   * @param what people see beside the timer: what is done when it rings
   */
  async untilAfter(seen: number, ms = Infinity, what = 'look again'): Promise<boolean> {
    const changed = () => this.count !== seen;
    if (ms !== Infinity) return condition(changed, ms, { summary: what });
    await condition(changed);
    return true;
  }
}

/** Whether a workflow has to continue as new. @param limit in events */
export function isLong(limit: number): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength >= limit || continueAsNewSuggested;
}
