import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockDevices } from '../../../../activities/guest/inspector/block-devices.ts';
import type { DeviceMap, Volume } from '../../../../activities/guest/linux/device-map.ts';
import { learnDiskOrder } from '../../../../activities/guest/linux/disk-order.ts';
import { editFstab } from '../../../../activities/guest/linux/fstab-text.ts';
import { editBootDisks, editDeviceMap } from '../../../../activities/guest/linux/grub-disks-text.ts';
import { stableDevices } from '../../../../activities/guest/linux/kernel-arguments.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';

/** One partition on each disk, and what each holds; the root is on the first. */
function mapOf(fstab: string, ...types: string[]): DeviceMap {
  const volumes = types.map((fsType, disk): Volume => {
    const letter = String.fromCharCode(97 + disk);
    return { device: `/dev/sd${letter}1`, disk, partition: 1, fsType, uuid: `on-${letter}` };
  });
  const [root] = volumes;
  const order = root && learnDiskOrder(fstab, root, { diskCount: types.length, volumes });
  return {
    diskCount: types.length,
    volumes,
    rootDevice: '/dev/sda1',
    ...(order === undefined ? {} : { order }),
  };
}

const twoDisks = '/dev/sdb1 / ext4 defaults 0 1\n/dev/sda1 /data ext4 defaults 0 2\n';

describe('disks that the guest counted in another order', () => {
  it('are told by the root file system, and the names of the other two follow', () => {
    const map = mapOf(twoDisks, 'ext4', 'ext4');
    const edited = editFstab(twoDisks, map);
    expect(edited.text).toBe('UUID=on-a / ext4 defaults 0 1\nUUID=on-b /data ext4 defaults 0 2\n');
    expect(edited.warnings).toEqual([]);
    const warnings: string[] = [];
    const args = stableDevices(map, 'uuid', 'grub.cfg', warnings);
    expect(args('root=/dev/sdb1 ro')).toBe('root=UUID=on-a ro');
    expect(args('root=/dev/xvdb1 ro')).toBe('root=UUID=on-a ro');
    expect(warnings).toEqual([]);
  });

  it('are told apart by what they hold', () => {
    const fstab = '/dev/sdc1 / ext4 x 0 1\n/dev/sda1 /data xfs x 0 2\n/dev/sdb1 none swap sw 0 0\n';
    const { text, warnings } = editFstab(fstab, mapOf(fstab, 'ext4', 'xfs', 'swap'));
    expect(text).toBe('UUID=on-a / ext4 x 0 1\nUUID=on-b /data xfs x 0 2\nUUID=on-c none swap sw 0 0\n');
    expect(warnings).toEqual([]);
  });

  it('stay unnamed with a warning where several orders are possible', () => {
    const fstab = '/dev/sdc1 / ext4 x 0 1\n/dev/sda1 /one xfs x 0 2\n/dev/sdb1 /two xfs x 0 2\n';
    const map = mapOf(fstab, 'ext4', 'xfs', 'xfs');
    const { text, warnings } = editFstab(fstab, map);
    expect(text).toBe(fstab.replace('/dev/sdc1', 'UUID=on-a'));
    expect(warnings).toEqual(
      ['/dev/sda1 /one', '/dev/sdb1 /two'].map((line) => {
        const [device = '', path = ''] = line.split(' ');
        return `/etc/fstab (${path}) was left alone: ${device} could be on any disk: the guest counted its disks in another order than source.disks lists them.`;
      }),
    );
    expect(stableDevices(map, 'uuid', '', [])('root=/dev/sdc1')).toBe('root=UUID=on-a');
  });

  it('leave even the root its UUID where nothing fits, and all other names alone', () => {
    const fstab = '/dev/sdb2 / ext4 x 0 1\n/dev/sda1 /data ext4 x 0 2\n';
    const map = mapOf(fstab, 'ext4', 'ext4');
    expect(editFstab(fstab, map).text).toBe(fstab.replace('/dev/sdb2', 'UUID=on-a'));
    expect(stableDevices(map, 'uuid', '', [])('root=/dev/sdb2')).toBe('root=UUID=on-a');
    expect(stableDevices(map, 'uuid', '', [])('root=/dev/sdb1')).toBe('root=/dev/sdb1');
  });

  it('are found where one that came before was left out', () => {
    const fstab = '/dev/sdb1 / ext4 x 0 1\n/dev/sda1 /data ext4 x,nofail 0 2\n';
    const { text, warnings } = editFstab(fstab, mapOf(fstab, 'ext4'));
    expect(text).toBe(fstab.replace('/dev/sdb1', 'UUID=on-a'));
    expect(warnings).toHaveLength(1);
  });

  it.each([
    '/dev/sda1 / ext4 x 0 1\n/dev/sdb1 /data xfs x 0 2\n',
    'UUID=on-a / ext4 x 0 1\n/dev/sdb1 /data ext4 x 0 2\n',
    '/dev/sdb1 /data ext4 x 0 2\n',
  ])('are not taken for that where the root is at its place or named by UUID: %j', (fstab) => {
    expect(mapOf(fstab, 'ext4', 'ext4').order).toBeUndefined();
  });

  it('are not taken for that where the root is btrfs on both', () => {
    const volumes = [0, 1].map((disk) => ({ disk, partition: 1, fsType: 'btrfs', uuid: 'shared' }));
    const [root] = volumes;
    const order = root && learnDiskOrder('/dev/sdb1 / btrfs x 0 0\n', root, { diskCount: 2, volumes });
    expect(order).toBeUndefined();
  });

  it('never have two of them at one place, and the root at its own', () => {
    const line = fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.constantFrom('/', '/a', '/b'),
      fc.constantFrom('ext4', 'xfs'),
    );
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.constantFrom('ext4', 'xfs')), (lines, types) => {
        const fstab = lines
          .map(([disk, path, type]) => `/dev/sd${String.fromCharCode(97 + disk)}1 ${path} ${type} x 0 0`)
          .join('\n');
        const { order } = mapOf(fstab, 'ext4', ...types.slice(0, 4));
        if (order === undefined) return;
        const places = [...order.places.values()];
        expect(new Set(places).size).toBe(places.length);
        expect([undefined, 0]).toContain(order.places.get(order.rootPlace.disk));
      }),
    );
  });
});

describe("GRUB's own list of disks", () => {
  it('follows the order that the root shows, and loses what is unclear', () => {
    const map = '(hd0) /dev/sdb\n(hd1) /dev/sda\n';
    const { order } = mapOf(twoDisks, 'ext4', 'ext4');
    expect(editDeviceMap(map, 2, 'vd', order)).toBe('(hd0) /dev/vda\n(hd1) /dev/vdb\n');
    expect(editBootDisks('boot=/dev/sdb\n', 2, 'vd', order)).toBe('boot=/dev/vda\n');
    const fstab = '/dev/sdb2 / ext4 x 0 1\n';
    const unclear = mapOf(fstab, 'ext4', 'ext4').order;
    expect(editDeviceMap(map, 2, 'vd', unclear)).toBe('#(hd0) /dev/sdb\n#(hd1) /dev/sda\n');
    expect(editBootDisks('/dev/sdb\n', 2, 'vd', unclear)).toBe('/dev/sdb\n');
  });
});

describe('the device that is mounted for a line of fstab', () => {
  const volumes = ['sda1', 'sdb1', 'sdb2'].map((name) => ({ device: `/dev/${name}`, type: 'ext4' }));
  const devices = () =>
    new BlockDevices({} as unknown as Guestfs, { disks: ['/dev/sda', '/dev/sdb'], tables: [], volumes });

  it('is the one of the order that the root shows', async () => {
    const swapped = devices();
    expect(swapped.learnOrder(twoDisks, '/dev/sda1')).toContain(
      '/etc/fstab calls the root file system /dev/sdb1',
    );
    expect(await swapped.resolve('/dev/sda2')).toBe('/dev/sdb2');
    expect(await swapped.resolve('/dev/sdb1')).toBe('/dev/sda1');
    expect(swapped.isUnclear('/dev/sda2')).toBe(false);
  });

  it('is unclear where that order is', async () => {
    const unclear = devices();
    unclear.learnOrder('/dev/sdb9 / ext4 x 0 1\n', '/dev/sda1');
    expect(await unclear.resolve('/dev/sdb2')).toBeUndefined();
    expect(unclear.isUnclear('/dev/sdb2')).toBe(true);
    expect(unclear.isUnclear('LABEL=x')).toBe(false);
  });

  it('is the one of that name otherwise', async () => {
    const same = devices();
    expect(same.learnOrder('/dev/sda1 / ext4 x 0 1\n', '/dev/sda1')).toBeUndefined();
    expect(await same.resolve('/dev/xvdb2')).toBe('/dev/sdb2');
    expect(await same.resolve('/dev/sdb2')).toBe('/dev/sdb2');
  });
});
