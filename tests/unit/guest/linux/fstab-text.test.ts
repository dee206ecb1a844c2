import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceMap } from '../../../../activities/guest/linux/device-map.ts';
import { editCrypttab, editFstab, editResume } from '../../../../activities/guest/linux/fstab-text.ts';

const map: DeviceMap = {
  diskCount: 2,
  rootDevice: '/dev/sda1',
  volumes: [
    { device: '/dev/sda1', disk: 0, partition: 1, fsType: 'ext4', uuid: 'aaaa-1' },
    { device: '/dev/sda2', disk: 0, partition: 2, fsType: 'vfat', uuid: 'ABCD-1234' },
    { device: '/dev/sda3', disk: 0, partition: 3, fsType: 'crypto_LUKS', uuid: 'luks-3' },
    { device: '/dev/sda5', disk: 0, partition: 5, fsType: 'swap', uuid: 'swap-5' },
    { device: '/dev/sdb', disk: 1, fsType: 'xfs', uuid: 'data-b' },
  ],
};

const debian = `# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
/dev/sda1       /               ext4    errors=remount-ro 0       1
/dev/sda2\t/boot/efi\tvfat\tumask=0077\t0\t1
# swap was on /dev/sda5 during installation
/dev/sda5       none            swap    sw              0       0
/dev/sdb        /srv/data       xfs     defaults,nofail 0       2
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
/dev/hdc        /media/cdrom1   auto    noauto          0       0
/dev/fd0        /media/floppy0  auto    rw,user,noauto  0       0
`;

describe('editing /etc/fstab', () => {
  it('names file systems and swap by UUID and keeps spacing and comments', () => {
    const { text, warnings } = editFstab(debian, map);
    expect(warnings).toEqual([]);
    expect(text).toBe(
      debian
        .replace('/dev/sda1       /  ', 'UUID=aaaa-1       /  ')
        .replace('/dev/sda2\t', 'UUID=ABCD-1234\t')
        .replace('/dev/sda5       none', 'UUID=swap-5       none')
        .replace('/dev/sdb        /srv', 'UUID=data-b        /srv'),
    );
  });

  it.each([
    // Debian 12 with LVM, RHEL 9, Ubuntu 24.04, SLES 15
    '/dev/mapper/deb--vg-root /               ext4    errors=remount-ro 0       1\n',
    '/dev/mapper/rhel-root   /                       xfs     defaults        0 0\nUUID=5a1f    /boot  xfs defaults 0 0\n',
    'LABEL=cloudimg-rootfs\t/\t ext4\tdiscard,commit=30,errors=remount-ro\t0 1\nLABEL=UEFI\t/boot/efi\tvfat\tumask=0077\t0 1\n',
    'UUID=1c2d  /  btrfs  defaults  0  0\nUUID=1c2d  /.snapshots  btrfs  subvol=/@/.snapshots  0  0\n',
    'tmpfs /tmp tmpfs nosuid 0 0\nproc /proc proc defaults 0 0\nnas:/vol /mnt nfs _netdev 0 0\n//nas/x /y cifs credentials=/r 0 0\n',
    '/dev/sda1 /srv/jail none bind 0 0\n/home /srv/home none rw,bind 0 0\n',
    '/swapfile none swap sw 0 0\nPARTUUID=8 /x ext4 defaults 0 0\n',
  ])('leaves alone what does not move: %j', (text) => {
    expect(editFstab(text, map)).toEqual({ text, warnings: [] });
  });

  it('reports a device it cannot find and leaves its line', () => {
    const text = '/dev/sdc1 /backup ext4 defaults 0 2\n/dev/sda1 / ext4 defaults 0 1\n';
    const edited = editFstab(text, map);
    expect(edited.text).toBe('/dev/sdc1 /backup ext4 defaults 0 2\nUUID=aaaa-1 / ext4 defaults 0 1\n');
    expect(edited.warnings).toEqual([
      '/etc/fstab (/backup) was left alone: /dev/sdc1 would be disk 3, but the VM has 2.',
    ]);
  });

  it('does not name a volume whose file system is not the one stated', () => {
    expect(editFstab('/dev/sdb /srv ext4 defaults 0 0\n', map).warnings[0]).toContain('holds xfs');
  });

  it('changes nothing the second time, whatever the text', () => {
    const device = fc.constantFrom(
      '/dev/sda1',
      '/dev/xvda5',
      '/dev/sdz9',
      'UUID=x',
      '/dev/disk/by-id/a-part2',
      '#',
    );
    const line = fc
      .tuple(
        device,
        fc.constantFrom('/', '/x', 'none'),
        fc.constantFrom('ext4', 'swap', 'auto', ''),
        fc.string(),
      )
      .map((fields) => fields.join(' '));
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
        const once = editFstab(lines.join('\n'), map);
        expect(editFstab(once.text, map)).toEqual({ text: once.text, warnings: once.warnings });
        expect(once.text.split('\n').length).toBe(lines.join('\n').split('\n').length);
      }),
    );
  });
});

describe('options of fstab that name a device', () => {
  const parts = {
    ...map,
    volumes: map.volumes.map((volume, index) => ({ ...volume, partUuid: `part-${index}` })),
  };

  it('name the member of a btrfs file system, or the log of XFS, by its place on the disk', () => {
    expect(editFstab('UUID=x /srv btrfs rw,device=/dev/sda1,device=/dev/sdb 0 0\n', parts).text).toBe(
      'UUID=x /srv btrfs rw,device=/dev/disk/by-partuuid/part-0,device=/dev/disk/by-partuuid/part-4 0 0\n',
    );
    expect(editFstab('UUID=x /srv xfs logdev=/dev/sda5 0 0\n', map).text).toBe(
      'UUID=x /srv xfs logdev=/dev/disk/by-uuid/swap-5 0 0\n',
    );
    expect(editFstab('UUID=x /srv xfs logdev=/dev/sdq1 0 0\n', map).warnings).toHaveLength(1);
  });

  it('leave a bind mount of a folder that is called like one', () => {
    const text = '/dev/sda1 /srv none bind,x-systemd.requires=srv.mount 0 0\n';
    expect(editFstab(text, map)).toEqual({ text, warnings: [] });
  });
});

describe('editing what stands beside it', () => {
  it('names a swap with a key for each boot by its partition, as its UUID goes with the first key', () => {
    const volumes = [
      { device: '/dev/sda5', disk: 0, partition: 5, fsType: 'swap', uuid: 's', partUuid: 'p-5' },
    ];
    expect(
      editCrypttab('swap /dev/sda5 /dev/urandom swap,cipher=aes\n', { diskCount: 1, volumes }).text,
    ).toBe('swap PARTUUID=p-5 /dev/urandom swap,cipher=aes\n');
  });

  it('names the device of an encrypted volume by the UUID of its container', () => {
    expect(editCrypttab('sda3_crypt /dev/sda3 none luks,discard\n', map).text).toBe(
      'sda3_crypt UUID=luks-3 none luks,discard\n',
    );
    expect(editCrypttab('x UUID=luks-3 none luks\n', map).text).toBe('x UUID=luks-3 none luks\n');
  });

  it('names the resume device of initramfs-tools by UUID', () => {
    expect(editResume('RESUME=/dev/sda5\n', map).text).toBe('RESUME=UUID=swap-5\n');
    expect(editResume('RESUME=none\n', map).text).toBe('RESUME=none\n');
  });
});
