import { ProgressMeter } from './progress-meter.ts';
import type { StepIo } from './step-io.ts';

/** How often it is told how far it is. */
const tellEveryMs = 500;

/** Tells now and then how far a disk is whose bytes pass by. */
export class DiskTeller {
  readonly #meter: ProgressMeter;
  readonly #totalBytes: number;
  readonly #io: StepIo;
  #doneBytes = 0;
  #toldAt = -Infinity;

  constructor(index: number, totalBytes: number, io: StepIo) {
    this.#meter = new ProgressMeter(index, totalBytes, performance.now());
    this.#totalBytes = totalBytes;
    this.#io = io;
  }

  /** @param moreBytes that passed @param doing for people: "unpacking disk1.vmdk" */
  passed(moreBytes: number, doing: string): void {
    this.#doneBytes += moreBytes;
    const now = performance.now();
    if (now - this.#toldAt < tellEveryMs) return;
    this.#toldAt = now;
    this.#io.report(doing, this.#meter.at(this.#doneBytes / this.#totalBytes, now));
  }
}
