import type { MigrationSpec } from './spec.ts';
import type { Firmware, GuestFacts, SourceVm } from './values.ts';

/**
 * What the new VM boots with: what the spec asks for, else what the VM had, else what its disks look like. A
 * source that knows is surer than disks, which may carry boot code of an earlier installation.
 */
export function chooseFirmware(
  target: Pick<MigrationSpec['target'], 'firmware'>,
  vm: Pick<SourceVm, 'firmware'>,
  facts: Pick<GuestFacts, 'firmware'> | undefined,
): Firmware {
  return target.firmware === 'auto' ? (vm.firmware ?? facts?.firmware ?? 'bios') : target.firmware;
}
