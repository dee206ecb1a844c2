import type { StepName } from '../contracts/steps.ts';
import type { RunRef } from '../contracts/values.ts';

interface PlacedVm {
  /** File system that its disks go to. */
  device: number;
  bytes: number;
  begun: boolean;
  /** When it was placed, or last began a step; in milliseconds. */
  seenAt: number;
}

/** A VM that was placed begins within seconds, unless it is parked, waits for its turn at a gate, or was cancelled. */
const beginsWithinMs = 2 * 60_000;
/** A run without a step for so long is parked or gone; what it needs is measured again when it goes on. */
const rememberedMs = 24 * 3_600_000;

/** From these on the disks are there. */
const whole: readonly StepName[] = ['define', 'verify-boot', 'report'];

/**
 * VMs that this host has taken: slots of those that have not begun, and room that their disks will fill. Kept in memory
 * alone. A worker that starts anew knows of none: those that have begun show in the slots, and their disks, as far as
 * they are written, in the free space; preflight measures for each VM in any case.
 */
export class PlacedVms {
  private readonly vms = new Map<string, PlacedVm>();
  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  /** Again for a run that was placed already, it changes nothing. */
  place(run: RunRef, device: number, bytes: number): void {
    const known = this.vms.get(keyOf(run));
    if (known) known.seenAt = this.now();
    else this.vms.set(keyOf(run), { device, bytes, begun: false, seenAt: this.now() });
  }

  isPlaced(run: RunRef): boolean {
    return this.vms.has(keyOf(run));
  }

  noteStep(run: RunRef, step: StepName): void {
    const vm = this.vms.get(keyOf(run));
    if (vm === undefined) return;
    vm.seenAt = this.now();
    // Preflight is over at once, and what follows is counted by itself.
    if (step !== 'preflight') vm.begun = true;
    if (whole.includes(step)) this.forget(run);
  }

  /** Its disks are there, or will not come. */
  forget(run: RunRef): void {
    this.vms.delete(keyOf(run));
  }

  /** VMs that have a slot and do not use it yet. */
  get waiting(): number {
    const since = this.now() - beginsWithinMs;
    return this.current().filter(({ begun, seenAt }) => !begun && seenAt >= since).length;
  }

  /** Bytes that disks still to come will take, of one file system if it is given, and of how many VMs. */
  promised(device?: number): { bytes: number; vms: number } {
    const there = this.current().filter((vm) => device === undefined || vm.device === device);
    return { bytes: there.reduce((sum, { bytes }) => sum + bytes, 0), vms: there.length };
  }

  private current(): PlacedVm[] {
    const since = this.now() - rememberedMs;
    for (const [key, { seenAt }] of this.vms) if (seenAt < since) this.vms.delete(key);
    return [...this.vms.values()];
  }
}

const keyOf = ({ migrationId, runId }: RunRef) => JSON.stringify([migrationId, runId]);
