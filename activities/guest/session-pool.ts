import type { RunRef } from '../../contracts/values.ts';

/** What is kept open: something with a session that can die and be closed. */
interface Poolable {
  session: { readonly alive: boolean; close(): Promise<void> };
}

interface Kept<Guest> {
  guest: Guest;
  /** Says on which overlays the session works; other overlays, another session. */
  identity: string;
  timer: NodeJS.Timeout;
}

/**
 * Keeps the appliance of a run between its steps, so that each VM starts one. A session nobody takes within
 * the idle limit is closed, because it holds memory and the overlays.
 */
export class SessionPool<Guest extends Poolable> {
  private readonly kept = new Map<string, Kept<Guest>>();
  private readonly closing = new Set<Promise<void>>();
  private readonly idleMs: number;

  constructor(idleMs: number) {
    this.idleMs = idleMs;
  }

  /** Leaves a session for the next step of the run. One that was left before is closed. */
  async put(run: RunRef, identity: string, guest: Guest): Promise<void> {
    await this.discard(run);
    const timer = setTimeout(() => void this.discard(run), this.idleMs);
    timer.unref();
    this.kept.set(keyOf(run), { guest, identity, timer });
  }

  /**
   * The session left for this run on these overlays; it is the caller's to close then. One for other overlays,
   * or whose appliance died, is closed here.
   */
  async take(run: RunRef, identity: string): Promise<Guest | undefined> {
    const kept = this.kept.get(keyOf(run));
    if (kept === undefined) return undefined;
    if (kept.identity !== identity || !kept.guest.session.alive) {
      await this.discard(run);
      return undefined;
    }
    this.kept.delete(keyOf(run));
    clearTimeout(kept.timer);
    return kept.guest;
  }

  /** Closes the run's session, if one was left. */
  async discard(run: RunRef): Promise<void> {
    const kept = this.kept.get(keyOf(run));
    if (kept === undefined) return;
    this.kept.delete(keyOf(run));
    clearTimeout(kept.timer);
    const closed = kept.guest.session.close();
    this.closing.add(closed);
    await closed;
    this.closing.delete(closed);
  }

  /** Makes room for other work: closes the sessions left longest, that of `run` not, until `count` are left. */
  async keepAtMost(count: number, run: RunRef): Promise<void> {
    const others = [...this.kept.keys()].filter((key) => key !== keyOf(run));
    const surplus = others.slice(0, Math.max(0, this.kept.size - count));
    await Promise.all(surplus.map((key) => this.discard(JSON.parse(key) as RunRef)));
  }

  /** Closes every session, for the end of the worker. */
  async close(): Promise<void> {
    const runs = [...this.kept.keys()].map((key) => JSON.parse(key) as RunRef);
    await Promise.all(runs.map((run) => this.discard(run)));
    await Promise.all(this.closing);
  }
}

function keyOf({ migrationId, runId }: RunRef): string {
  return JSON.stringify({ migrationId, runId });
}
