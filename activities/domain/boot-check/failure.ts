import { LonghaulError } from '../../../contracts/errors.ts';
import type { BootProof, DomainRef } from '../../../contracts/values.ts';

/** How watching a boot ended. */
export type Ending =
  | { kind: 'alive'; sign: BootProof['sign']; evidence: string; seconds: number }
  /** The guest said that it cannot go on. */
  | { kind: 'dead'; evidence: string; seconds: number }
  /** The domain is no longer running: switched off, crashed, or gone. */
  | { kind: 'ended'; state: string; seconds: number }
  /** QEMU paused it, as it does when its disk fails. */
  | { kind: 'paused'; state: string; seconds: number }
  | { kind: 'silent'; seconds: number };

export interface Evidence {
  /** Last lines of the console, control characters removed. */
  tail: readonly string[];
  consoleLog: string;
  screenshot?: string;
  limitSeconds: number;
}

/** A kernel says this when an emulated processor gets too little time to count timer ticks; not the guest's fault. */
const emulationStarved = /IO-APIC \+ timer doesn't work/;

/** The error a boot check ends in when the guest did not come up. */
export function bootFailure(
  { name, accelerator }: DomainRef,
  ending: Exclude<Ending, { kind: 'alive' }>,
  { limitSeconds, ...evidence }: Evidence,
): LonghaulError {
  const details = { ...evidence, seconds: ending.seconds };
  const after = `after ${Math.round(ending.seconds)} s`;
  const lastWords = evidence.tail.at(-1);
  const said = lastWords === undefined ? 'its console stayed empty' : `its console ends with: ${lastWords}`;
  const look = `See ${[evidence.consoleLog, evidence.screenshot].filter(Boolean).join(' and ')}.`;
  const skip = 'Skip the boot check to keep the VM as it is.';
  switch (ending.kind) {
    case 'dead':
      return new LonghaulError('BOOT_PANIC', {
        found: `${name} gave up ${after}: ${ending.evidence}`,
        remedy: `${look} Mend the cause and retry. ${skip}`,
        details,
        retryable: accelerator === 'tcg' && emulationStarved.test(ending.evidence),
      });
    case 'ended':
      return new LonghaulError('BOOT_PANIC', {
        found: `${name} ended by itself ${after} (${ending.state}); ${said}`,
        remedy: `${look} libvirt's log of the clone is in /var/log/libvirt/qemu. ${skip}`,
        details,
      });
    case 'paused':
      return new LonghaulError('HOST_IO', {
        found: `QEMU stopped ${name} ${after}: ${ending.state}`,
        remedy: 'See whether the target file system is full or failing, then retry.',
        details,
      });
    case 'silent':
      return new LonghaulError('BOOT_NOT_SEEN', {
        found: `${name} gave no sign of life within ${limitSeconds} s under ${accelerator}; ${said}`,
        remedy: `${look} If it only needs longer, retry with a larger policy.bootTimeoutSeconds. ${skip}`,
        details,
      });
  }
}
