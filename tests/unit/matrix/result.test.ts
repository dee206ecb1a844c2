import { describe, expect, it } from 'vitest';
import { tableOf, type GuestResult } from '../../matrix/result.ts';

const passed: GuestResult = {
  guest: 'debian12-uefi-ext4-luks1-dracut-netplan',
  outcome: 'passed',
  problems: [],
  date: '2026-01-01',
  commit: '0123456789ab',
  drivers: 'vmware',
  fallbackLoader: false,
  fixed: ['fstab: /etc/fstab: File systems are named by UUID.'],
  warnings: [],
  seconds: { build: 30, inspect: 10.4, fix: 5.2, convert: 1, 'verify-boot': 60, launch: 8, inspection: 2 },
  proof: {
    mounts: [{ path: '/', source: '/dev/mapper/sda2_crypt', type: 'ext4' }],
    swaps: ['/dev/vda3'],
    addresses: [{ card: 'ens192', address: '192.0.2.7/24' }],
    failedUnits: [],
    commandLine: 'root=/dev/mapper/sda2_crypt ro',
  },
  heard: ['192.0.2.7'],
};
const failed: GuestResult = {
  ...passed,
  guest: 'debian11-bios-ext4-plain-initramfs-tools-ifupdown',
  outcome: 'failed',
  problems: ['the boot check saw nothing and no login prompt'],
  fixed: [],
  seconds: {},
  heard: [],
};
delete failed.proof;
const names = [passed.guest, failed.guest, 'debian13-bios-xfs-md1-dracut-netplan'];

describe('the table of the matrix', () => {
  const table = tableOf({ machine: { acceleration: 'TCG' }, guests: [passed, failed] }, names);
  const lines = table.split('\n');

  it('counts all guests and has a row for each', () => {
    expect(lines).toContain('1 of 3 guests passed, 1 failed, 1 did not run.');
    expect(lines.filter((line) => /^\| \d/.test(line))).toEqual([
      `| 0 | ${names[0]} | passed | 192.0.2.7/24 | /dev/mapper/sda2_crypt ext4 | 5.2 | 60 | 77 |`,
      `| 1 | ${names[1]} | **failed** |  |  |  |  | 0 |`,
      `| 2 | ${names[2]} | did not run |  |  |  |  |  |`,
    ]);
  });

  it('says of each what was fixed, what went wrong, and what it said when it was up', () => {
    const sections = table.split(/^## /m);
    expect(sections).toHaveLength(3);
    expect(sections[1]).toContain("Its initramfs had VMware's drivers only. It had no fallback loader.");
    expect(sections[1]).toContain('- fstab: /etc/fstab: File systems are named by UUID.\n');
    expect(sections[1]).toContain('- / from /dev/mapper/sda2_crypt, ext4\n');
    expect(sections[1]).toContain('- address 192.0.2.7/24 on ens192\n');
    expect(sections[2]).toContain('Failed:\n\n- the boot check saw nothing and no login prompt\n');
    expect(sections[2]).not.toContain('fallback loader');
  });
});
