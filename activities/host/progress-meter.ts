import type { DiskProgress } from '../../contracts/steps.ts';

const windowMs = 10_000;

/** Bytes done of one disk, with a rate over the last seconds and the time that is left. */
export class ProgressMeter {
  private readonly index: number;
  private readonly totalBytes: number;
  private readonly samples: { atMs: number; bytes: number }[] = [];

  /** @param startBytes what was there before, which took no time now */
  constructor(index: number, totalBytes: number, startMs: number, startBytes = 0) {
    this.index = index;
    this.totalBytes = totalBytes;
    this.samples.push({ atMs: startMs, bytes: startBytes });
  }

  /** What to show for a share of the work, 0 to 1, done at `nowMs`. */
  at(share: number, nowMs: number): DiskProgress {
    const doneBytes = Math.round(this.totalBytes * Math.min(Math.max(share, 0), 1));
    this.samples.push({ atMs: nowMs, bytes: doneBytes });
    while (this.samples.length > 2 && nowMs - (this.samples[1]?.atMs ?? nowMs) >= windowMs)
      this.samples.shift();
    const oldest = this.samples[0] ?? { atMs: nowMs, bytes: doneBytes };
    const seconds = (nowMs - oldest.atMs) / 1000;
    const rate = seconds > 0 ? Math.round((doneBytes - oldest.bytes) / seconds) : 0;
    const progress: DiskProgress = {
      index: this.index,
      doneBytes,
      totalBytes: this.totalBytes,
      rateBytesPerSecond: rate,
    };
    if (rate > 0) progress.etaSeconds = Math.ceil((this.totalBytes - doneBytes) / rate);
    return progress;
  }
}
