import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveDevice, stableName, type DeviceMap } from '../../../../activities/guest/linux/device-map.ts';
import { parseDeviceName } from '../../../../activities/guest/linux/device-names.ts';

const twoDisks: DeviceMap = {
  diskCount: 2,
  rootDevice: '/dev/sda1',
  volumes: [
    { device: '/dev/sda1', disk: 0, partition: 1, fsType: 'ext4', uuid: 'root-uuid', partUuid: 'p-1' },
    { device: '/dev/sda5', disk: 0, partition: 5, fsType: 'swap', uuid: 'swap-uuid', partUuid: 'p-5' },
    { device: '/dev/sdb1', disk: 1, partition: 1, fsType: 'xfs', uuid: 'data-uuid', partUuid: 'p-9' },
  ],
};

const found = (name: string, expected = {}) => {
  const resolution = resolveDevice(name, twoDisks, expected);
  return resolution.kind === 'found' ? resolution.volume.device : resolution.kind;
};

describe('the volume that a device name of the old hypervisor means', () => {
  it.each([
    ['/dev/sda1', '/dev/sda1'],
    ['/dev/xvda5', '/dev/sda5'],
    ['/dev/hda1', '/dev/sda1'],
    ['/dev/vdb1', '/dev/sdb1'],
    ['/dev/nvme0n1p5', '/dev/sda5'],
    ['/dev/nvme1n1p1', '/dev/sdb1'],
    ['/dev/nvme0n2p1', '/dev/sdb1'],
    ['/dev/cciss/c0d1p1', '/dev/sdb1'],
    ['/dev/mmcblk0p5', '/dev/sda5'],
  ])('%s is found at %s by place and partition number', (name, device) => {
    expect(found(name)).toBe(device);
  });

  it.each([
    'UUID=1234',
    'LABEL=root',
    'PARTUUID=1',
    '/dev/mapper/vg-root',
    '/dev/vg/root',
    '/dev/dm-0',
    '/dev/md0',
    '/dev/sr0',
    '/dev/fd0',
    '/dev/disk/by-uuid/1234',
    '/dev/disk/by-label/root',
    '/dev/disk/by-id/dm-name-vg-root',
    '/dev/disk/by-id/lvm-pv-uuid-x',
    'tmpfs',
    'server:/export',
    'none',
  ])('%s stays, because it does not change with the hypervisor', (name) => {
    expect(found(name)).toBe('stable');
  });

  it('is not guessed for a disk the VM does not have', () => {
    const resolution = resolveDevice('/dev/xvdf1', twoDisks);
    expect(resolution).toEqual({
      kind: 'unknown',
      reason: '/dev/xvdf1 would be disk 6, but the VM has 2',
    });
  });

  it('is not believed when its place holds another type than stated', () => {
    expect(found('/dev/sdb1', { fsType: 'ext4' })).toBe('unknown');
    expect(found('/dev/sdb1', { fsType: 'xfs' })).toBe('/dev/sdb1');
    expect(found('/dev/sda5', { fsType: 'swap' })).toBe('/dev/sda5');
  });

  it('takes the root file system that was found over a name that says otherwise', () => {
    expect(found('/dev/sdb1', { fsType: 'ext4', isRoot: true })).toBe('/dev/sda1');
  });

  it('is found for a bus path when only one volume fits', () => {
    const path = '/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1';
    expect(found(path, { fsType: 'xfs' })).toBe('/dev/sdb1');
    expect(found(path)).toBe('unknown');
    expect(found('/dev/disk/by-id/scsi-36000c29aa-part5')).toBe('/dev/sda5');
  });

  it.each([
    ['/dev/disk/azure/root-part1', '/dev/sda1'],
    ['/dev/disk/cloud/azure_root-part5', '/dev/sda5'],
    ['/dev/disk/by-id/google-persistent-disk-0-part1', '/dev/sda1'],
    ['/dev/disk/by-id/ata-VBOX_HARDDISK_VB12-34-part5', '/dev/sda5'],
    ['/dev/disk/by-id/wwn-0x6000c29-part5', '/dev/sda5'],
    // Two disks have a first partition, and a serial number says nothing of which.
    ['/dev/disk/by-id/ata-VBOX_HARDDISK_VB12-34-part1', 'unknown'],
    // Not the disk that is booted from, and there is one other.
    ['/dev/disk/azure/scsi1/lun0-part1', '/dev/sdb1'],
    ['/dev/disk/cloud/azure_resource-part1', 'stable'],
  ])('is for the cloud or serial name %s %s', (name, device) => expect(found(name)).toBe(device));

  it('never throws and never finds what is no device name', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => `/dev/${tail}`),
        ),
        (name) => {
          const resolution = resolveDevice(name, twoDisks);
          if (resolution.kind === 'found') expect(parseDeviceName(name)).toBeDefined();
        },
      ),
    );
  });
});

describe('the lasting name of a volume', () => {
  const [root] = twoDisks.volumes;
  it('is its UUID, or the PARTUUID for a kernel without an initramfs', () => {
    expect(root && stableName(root, twoDisks)).toBe('UUID=root-uuid');
    expect(root && stableName(root, twoDisks, 'partuuid')).toBe('PARTUUID=p-1');
  });

  it('is the PARTUUID where a clone has the same UUID', () => {
    const clone = { device: '/dev/sdb2', disk: 1, partition: 2, fsType: 'ext4', uuid: 'root-uuid' };
    const map = { ...twoDisks, volumes: [...twoDisks.volumes, clone] };
    expect(root && stableName(root, map)).toBe('PARTUUID=p-1');
    expect(stableName(clone, map)).toBeUndefined();
  });
});
