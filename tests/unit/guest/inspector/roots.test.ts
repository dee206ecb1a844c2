import { describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../../contracts/errors.ts';
import { BlockDevices } from '../../../../activities/guest/inspector/block-devices.ts';
import { withoutSnapshots } from '../../../../activities/guest/inspector/root-choice.ts';
import { findRoots } from '../../../../activities/guest/inspector/root-search.ts';
import { originsIn } from '../../../../activities/guest/session/appliance-tools.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';

describe('looking for systems', () => {
  it('passes over a file system that the appliance has no driver for', async () => {
    const guest = {
      umountAll: () => Promise.resolve(),
      mount: (device: string) =>
        device === '/dev/sda1'
          ? Promise.resolve()
          : Promise.reject(
              new LonghaulError('GUESTFS_FAILED', {
                found: `mount_options: mount: /sysroot: unknown filesystem type 'ntfs'.`,
                remedy: '',
              }),
            ),
      ls: () => Promise.resolve(['etc']),
      exists: () => Promise.resolve(true),
      readFile: () => Promise.resolve(Buffer.from('ID=debian\n')),
    } as unknown as Guestfs;
    const volumes = [
      { device: '/dev/sda1', type: 'ext4' },
      { device: '/dev/sdb', type: 'ntfs' },
    ];
    const search = await findRoots(guest, new BlockDevices(guest, { disks: [], tables: [], volumes }));
    expect(search.roots.map(({ device }) => device)).toEqual(['/dev/sda1']);
    const why = "the appliance's kernel has no driver for it";
    expect(search.undriven).toEqual([{ device: '/dev/sdb', type: 'ntfs', why }]);
    expect(search.damaged).toEqual([]);
  });
});

describe('a file system that mount calls bad', () => {
  const searchWith = async (log: string) => {
    const guest = {
      umountAll: () => Promise.resolve(),
      mount: () =>
        Promise.reject(
          new LonghaulError('GUESTFS_FAILED', {
            found:
              'mount: /sysroot: wrong fs type, bad option, bad superblock on /dev/sda1, missing codepage',
            remedy: '',
          }),
        ),
      kernelLog: () => Promise.resolve(log),
    } as unknown as Guestfs;
    const volumes = [{ device: '/dev/sda1', type: 'xfs' }];
    const { damaged, undriven } = await findRoots(
      guest,
      new BlockDevices(guest, { disks: [], tables: [], volumes }),
    );
    return { damaged: damaged.map(({ code }) => code), undriven: undriven.map(({ why }) => why) };
  };
  const unrelated = '[    1.0] virtio_blk virtio1: [vda] 8192 512-byte logical blocks\n';

  it.each([
    'XFS (sda1): Superblock has unknown incompatible features (0x40) enabled.',
    "EXT4-fs (sda1): couldn't mount because of unsupported optional features (10000)",
    'BTRFS error (device sda1): cannot mount because of unknown incompat features (0x8000)',
  ])('is one that the kernel is too old for when that says so: %s', async (line) => {
    expect(await searchWith(`${unrelated}[   12.3] ${line}\n${unrelated}`)).toEqual({
      damaged: [],
      undriven: [`the appliance's kernel is too old for it: ${line}`],
    });
  });

  it('is damaged when the kernel says anything else', async () => {
    const line = '[   12.3] XFS (sda1): Metadata CRC error detected at xfs_sb_read_verify\n';
    expect(await searchWith(unrelated + line)).toEqual({
      damaged: ['GUEST_FILESYSTEM_DAMAGED'],
      undriven: [],
    });
    const old = `[    2.0] XFS (sdb1): Superblock has unknown incompatible features (0x40) enabled.\n`;
    expect((await searchWith(old + unrelated.repeat(20) + line)).undriven).toEqual([]);
  });
});

describe('a root on an LVM snapshot of another', () => {
  const root = (name: string) => ({ device: `/dev/vg/${name}`, fsType: 'ext4' });
  const origins = originsIn(
    '  vg/root/\n  vg/swap/\n  vg/before/root\n  vg/older/before\n  vg/hidden/[root]\n\n',
  );
  const devicesLeft = (names: string[], uuids: Record<string, string> = {}) => {
    const left = withoutSnapshots(names.map(root), (device) => uuids[device] ?? 'same', origins);
    return { devices: left.roots.map(({ device }) => device), warnings: left.warnings };
  };

  it('is read from what lvs says', () => {
    expect(Object.fromEntries(origins)).toEqual({
      '/dev/vg/before': '/dev/vg/root',
      '/dev/vg/older': '/dev/vg/before',
      '/dev/vg/hidden': '/dev/vg/root',
    });
  });

  it('is no second system', () => {
    expect(devicesLeft(['before', 'older', 'root'])).toEqual({
      devices: ['/dev/vg/root'],
      warnings: [
        '/dev/vg/before is a snapshot of /dev/vg/root; the system on the latter is taken.',
        '/dev/vg/older is a snapshot of /dev/vg/root; the system on the latter is taken.',
      ],
    });
  });

  it('is one when it is no copy any more, or its origin holds none', () => {
    const other = { '/dev/vg/before': 'another' };
    expect(devicesLeft(['before', 'root'], other).devices).toEqual(['/dev/vg/before', '/dev/vg/root']);
    expect(devicesLeft(['before', 'swap']).devices).toEqual(['/dev/vg/before', '/dev/vg/swap']);
  });

  it('does not go round in circles', () => {
    const circle = new Map([
      ['/dev/vg/a', '/dev/vg/b'],
      ['/dev/vg/b', '/dev/vg/a'],
    ]);
    const { roots } = withoutSnapshots([root('a'), root('b')], () => 'same', circle);
    expect(roots.length).toBeGreaterThan(0);
  });
});
