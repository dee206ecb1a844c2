import { describe, expect, it } from 'vitest';
import { guestDisks } from '../../guests/guests.ts';
import { run } from '../../guests/lib/run.ts';
import { bootRetries } from '../../guests/machine.ts';
import * as debian from './debian-guest.ts';
import { withHost } from './host.ts';

describe('a real Debian guest, from image to domain by the command line', { retry: bootRetries }, () => {
  withHost();

  it(
    'on UEFI and LVM boots, keeps its address and leaves its source as it was',
    () =>
      debian.expectToComeHome({
        guest: 'debian-uefi-lvm',
        format: 'vmdk-stream',
        firmware: 'uefi',
        rebuilt: false,
        root: '/dev/mapper/vg-root',
        address: '192.168.122.63/24',
      }),
    debian.minutes(15),
  );

  it('without virtio drivers and with a data disk gets the drivers, keeps its address and both disks', async () => {
    const [system = ''] = await guestDisks('debian-bios-novirtio', 'vhd-dynamic', console.log);
    const [data = ''] = await guestDisks('data', 'qcow2', console.log);
    const before = await debian.digests([system, data]);
    const report = await debian.migrated('e2e-data', [system, data]);

    expect(report.boot?.sign).toBe('login-prompt');
    expect(report.boot?.addresses.map(({ address }) => address)).toContain('192.168.122.62');
    expect(debian.changedIn(report)).toContainEqual(expect.stringMatching(/^\/boot\/initrd\.img-/));
    expect(debian.sourcesIn(await debian.domainXml('e2e-data'))).toEqual(
      report.disks.map(({ path }) => path),
    );
    const [, second] = report.disks;
    if (!second) throw new Error('the report has one disk');
    // Exits with 1 and so fails the test when a byte differs.
    await run('qemu-img', ['compare', '-f', 'qcow2', '-F', 'qcow2', data, second.path]);
    expect(second.allocatedBytes).toBeLessThan(second.virtualSizeBytes / 4);
    expect(await debian.digests([system, data])).toEqual(before);
    await debian.expectNothingElseLeft(report);
  });
});
