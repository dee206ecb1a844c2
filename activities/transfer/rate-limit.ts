import { pause } from '../host/pause.ts';

/** So many bytes a second, for all that share it; half a second of them may come at once. */
export class RateLimit {
  #bytesPerSecond: number;
  /** When the bytes that were let through so far have had their time; milliseconds of performance.now(). */
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** From now on; Infinity lets all through. */
  change(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Waits until so many bytes more may pass. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now - 500) + (bytes / this.#bytesPerSecond) * 1000;
    const waitMs = this.#freeAt - now;
    if (waitMs > 0) await pause(waitMs, signal);
  }
}
