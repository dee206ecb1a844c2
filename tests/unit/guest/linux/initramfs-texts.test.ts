import { describe, expect, it } from 'vitest';
import {
  isInitramfsText,
  outdatesInitramfs,
  stableTexts,
} from '../../../../activities/guest/linux/initramfs-texts.ts';

const uuid = 'Fa4bWe-91Rz-Kq2x-Tn07-uYcM-3HdL-vS8gEo';
const edit = stableTexts({
  diskCount: 1,
  volumes: [
    { device: '/dev/sda2', disk: 0, partition: 2, fsType: 'LVM2_member', uuid },
    { device: '/dev/sda3', disk: 0, partition: 3, fsType: 'swap', uuid: 'abcd-ef' },
  ],
});

describe('the copies of configuration in an initramfs', () => {
  it.each([
    [
      'etc/lvm/lvm.conf',
      'filter = [ "a|^/dev/sda2$|", "r|.*|" ]\n',
      'filter = [ "a|^/dev/vda2$|", "a|^/dev/sda2$|", "r|.*|" ]\n',
    ],
    ['./etc/modprobe.d/x.conf', 'blacklist virtio_blk\n', '# Needed on KVM: blacklist virtio_blk\n'],
    ['conf/conf.d/resume', 'RESUME=/dev/sda3\n', 'RESUME=UUID=abcd-ef\n'],
  ])('say what the guest says: %s', (name, before, after) => {
    expect(isInitramfsText(name)).toBe(true);
    expect(edit(name, before)).toBe(after);
    expect(edit(name, after)).toBe(after);
  });

  it('are old when the guest lets virtio in, or LVM, and not for the name of a card', () => {
    const change = (path: string, after: string) => outdatesInitramfs({ path, what: '', after });
    expect(change('/etc/modprobe.d/x.conf', '# Needed on KVM: blacklist virtio_blk')).toBe(true);
    expect(change('/etc/modprobe.d/x.conf', 'alias eth0 virtio_net')).toBe(false);
    expect(change('/etc/lvm/lvm.conf', '')).toBe(true);
    expect(change('/etc/fstab', '')).toBe(false);
  });
});
