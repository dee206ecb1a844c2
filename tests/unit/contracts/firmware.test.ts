import { describe, expect, it } from 'vitest';
import { chooseFirmware } from '../../../contracts/firmware.ts';

describe('the firmware of the new VM', () => {
  it('is what the spec asks for, whatever the guest was', () => {
    const guest = { firmware: 'bios' as const };
    expect(chooseFirmware({ firmware: 'uefi' }, guest, guest)).toBe('uefi');
  });

  it("is the VM's own before what its disks look like", () => {
    expect(chooseFirmware({ firmware: 'auto' }, { firmware: 'uefi' }, { firmware: 'bios' })).toBe('uefi');
    expect(chooseFirmware({ firmware: 'auto' }, {}, { firmware: 'uefi' })).toBe('uefi');
    expect(chooseFirmware({ firmware: 'auto' }, {}, undefined)).toBe('bios');
  });
});
