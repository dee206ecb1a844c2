import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import type { HostView } from '../../../client/hosts.ts';
import { hostsText, hostText } from '../../../client/output/host-text.ts';

const paint = picocolors.createColors(false);

const ready: HostView = {
  hostId: 'kvm2',
  state: 'ready',
  drained: false,
  here: '2026-11-28T08:00:00.000Z',
  facts: {
    labels: ['ssd', 'zone=b'],
    slots: 4,
    version: '0.1.0',
    targetDirectory: '/var/lib/libvirt/images',
    stateDirectory: '/var/lib/longhaul',
    libvirtUri: 'qemu:///system',
    memoryBytes: 2 ** 34,
  },
  pulse: {
    busy: 2,
    placed: 1,
    promisedBytes: 30 * 2 ** 30,
    targetFreeBytes: 212 * 2 ** 30,
    stateFreeBytes: 2 ** 30,
  },
  underWay: 3,
  leftovers: 0,
};

const gone: HostView = {
  ...ready,
  hostId: 'kvm1',
  state: 'gone',
  drained: true,
  gone: '2026-11-28T10:02:33.000Z',
  pulse: undefined,
  underWay: 1,
  leftovers: 2,
};

describe('hosts as people read them', () => {
  it('are a table', () => {
    expect(hostsText([gone, ready], paint).split('\n')).toEqual([
      'HOST  STATE                                  STEPS   VMS  FREE     LABELS      VERSION',
      'kvm1  gone since 2026-11-28 10:02Z, drained  - of 4  1    -        ssd zone=b  0.1.0',
      'kvm2  ready                                  2 of 4  3    212 GiB  ssd zone=b  0.1.0',
    ]);
    expect(hostsText([], paint)).toContain('longhaul worker');
  });

  it('are shown with what they do', () => {
    expect(hostText(ready, paint).split('\n')).toEqual([
      'kvm2  ready',
      '  steps       2 of 4, one VM begins',
      '  migrations  3 under way',
      '  labels      ssd zone=b',
      '  disks       /var/lib/libvirt/images, 212 GiB free, 30 GiB of it for VMs that were placed',
      '  state       /var/lib/longhaul, 1 GiB free',
      '  libvirt     qemu:///system',
      '  Longhaul    0.1.0',
      '  here since  2026-11-28 08:00Z',
    ]);
  });

  it('that are gone or drained say what is to be done', () => {
    const text = hostText(gone, paint);
    expect(text).toContain('1 under way; 2 left it and are cleaned up when it is back');
    expect(text).toContain('`longhaul reassign`');
    expect(hostText({ ...ready, state: 'drained', drained: true }, paint)).toContain(
      'what is under way ends',
    );
    expect(hostText({ ...ready, state: 'drained', drained: true, underWay: 0 }, paint)).toContain(
      'Nothing is under way on it. `longhaul host undrain kvm2`',
    );
  });

  it('that never said anything of themselves have dashes', () => {
    const unknown: HostView = { hostId: 'kvm9', state: 'gone', drained: false, underWay: 0, leftovers: 0 };
    expect(hostsText([unknown], paint)).toMatch(/^kvm9 +gone +- of - +0 +- +- +-$/m);
    expect(hostText(unknown, paint)).toMatch(/^kvm9 {2}gone\n {2}steps/);
  });
});
