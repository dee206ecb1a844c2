import { describe, expect, it } from 'vitest';
import type { MigrationSpec } from '../../../contracts/spec.ts';
import type { GuestFacts } from '../../../contracts/values.ts';
import { fixContext } from '../../../activities/guest/guest-activities.ts';
import { efiFallbackFix } from '../../../activities/guest/linux/efi-fallback.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { testIo } from '../../support/io.ts';

describe('what the fixes are told', () => {
  it('is the firmware the new VM gets, so that a fallback loader is made for it', () => {
    const session = { report: () => undefined } as unknown as GuestSession;
    const facts = { os: 'linux', firmware: 'bios' } as GuestFacts;
    const applies = (firmware: MigrationSpec['target']['firmware'], source?: 'uefi') => {
      const spec = { guest: {}, target: { firmware, diskBus: 'auto' } } as MigrationSpec;
      const vm = { name: 'x', nics: [], ...(source === undefined ? {} : { firmware: source }) };
      return efiFallbackFix.applies(
        fixContext({ spec }, { session, inspection: { facts } }, vm, '/', testIo()).facts,
      );
    };
    expect(applies('uefi')).toBe(true);
    expect(applies('auto', 'uefi')).toBe(true);
    expect(applies('auto')).toBe(false);
    expect(applies('bios', 'uefi')).toBe(false);
  });
});
