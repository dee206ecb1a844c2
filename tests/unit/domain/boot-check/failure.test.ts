import { describe, expect, it } from 'vitest';
import { bootFailure } from '../../../../activities/domain/boot-check/failure.ts';
import type { DomainRef } from '../../../../contracts/values.ts';

const domain = (accelerator: DomainRef['accelerator']): DomainRef => ({
  name: 'web01',
  uuid: '00000000-0000-5000-8000-000000000000',
  uri: 'qemu:///system',
  firmware: 'bios',
  accelerator,
  cpus: 1,
  memoryMiB: 512,
  nics: [],
});
const evidence = { tail: [], consoleLog: '/state/console.log', limitSeconds: 900 };
const panic = (words: string) =>
  ({ kind: 'dead', evidence: `Kernel panic - not syncing: ${words}`, seconds: 3 }) as const;

describe('a boot check that ends in a panic', () => {
  it('is not repeated: the guest would panic again', () => {
    expect(bootFailure(domain('tcg'), panic('VFS: Unable to mount root fs'), evidence).retryable).toBe(false);
  });

  it('is repeated when the emulated timer was starved by a busy host', () => {
    const starved = panic("IO-APIC + timer doesn't work!");
    expect(bootFailure(domain('tcg'), starved, evidence).retryable).toBe(true);
    expect(bootFailure(domain('kvm'), starved, evidence).retryable).toBe(false);
  });
});
