import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { planText } from '../../../client/output/plan-text.ts';
import type { MigrationPlan } from '../../../contracts/steps.ts';
import type { FixOutcome } from '../../../contracts/values.ts';

const style = { paint: picocolors.createColors(false), columns: 100 };
const fix = (more: Partial<FixOutcome>): FixOutcome => ({
  fix: 'network',
  title: 'Network interfaces keep their names',
  changes: [],
  warnings: [],
  seconds: 0,
  ...more,
});
const planOf = (fixes: FixOutcome[]): MigrationPlan => ({
  preflight: {
    vm: { name: 'web01', cpus: 1, memoryMiB: 1024, nics: [] },
    disks: [],
    findings: [],
    targetDirectory: '/srv/vms',
    space: { neededBytes: 0, freeBytes: 2 ** 30 },
    accelerator: 'kvm',
  },
  fixes,
});

describe('a plan on the screen', () => {
  it('has what a fix only warns of', () => {
    const text = planText('web01', planOf([fix({ warnings: ['eth7 belongs to no card.'] })]), style);
    expect(text).toContain('  Network interfaces keep their names\n    eth7 belongs to no card.');
  });

  it('says that nothing is to change when no fix has anything to say', () => {
    expect(planText('web01', planOf([fix({})]), style)).toContain('nothing to change in the guest');
  });

  it('shows disks that are still to be fetched, and says that the guest is looked into later', () => {
    const { preflight } = planOf([]);
    const disk = {
      index: 1,
      image: { path: '/srv/a.raw', format: 'raw' as const, virtualSizeBytes: 2 ** 30, extents: [] },
      ...{ virtualSizeBytes: 2 ** 30, allocatedBytes: 2 ** 20, files: [] },
    };
    const remoteDisks = [
      { index: 0, name: 'https://h.example/web01.qcow2', virtualSizeBytes: 2 ** 33, dataBytes: 2 ** 31 },
    ];
    const text = planText(
      'web01',
      { preflight: { ...preflight, disks: [disk], remoteDisks }, fixes: [] },
      style,
    );
    expect(text).toContain(
      [
        '  disk 1  https://h.example/web01.qcow2       8 GiB  2 GiB to fetch',
        '  disk 2  /srv/a.raw                     raw  1 GiB  1 MiB of data',
      ].join('\n'),
    );
    expect(text).toContain('The guest is looked into once its disks are on the host');
    expect(planText('web01', planOf([]), style)).not.toContain('looked into once');
  });

  it('names the addresses that the guest is to come up with', () => {
    const addresses = [
      {
        macs: ['52:54:00:00:00:01'],
        interface: 'ens192',
        method: 'static' as const,
        address: '10.0.0.5/24',
      },
      {
        macs: ['52:54:00:00:00:02', '52:54:00:00:00:03'],
        interface: 'bond0',
        method: 'dhcp' as const,
      },
    ];
    expect(planText('web01', planOf([fix({ addresses })]), style)).toContain(
      [
        'Addresses it keeps',
        '  ens192  10.0.0.5/24  on 52:54:00:00:00:01',
        '  bond0   by DHCP      on 52:54:00:00:00:02 or 52:54:00:00:00:03',
      ].join('\n'),
    );
  });
});
