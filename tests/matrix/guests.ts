import type { MatrixGuest } from '../guests/matrix/guest.ts';
import { coveringArray, type Feasible } from './pairwise.ts';

/** The dimensions of the matrix. The order of values decides ties, so that a new value comes last. */
export const dimensions = {
  storage: ['plain', 'lvm', 'luks1', 'luks2-lvm', 'md1'],
  network: ['ifupdown', 'NetworkManager', 'systemd-networkd', 'netplan'],
  boot: ['bios', 'uefi', 'systemd-boot'],
  fs: ['ext4', 'xfs', 'btrfs'],
  release: ['11', '12', '13'],
  initramfs: ['initramfs-tools', 'dracut'],
} as const;

/** Debian 11 has no package of systemd-boot. */
export const feasible: Feasible<typeof dimensions> = ({ boot, release }) =>
  !(boot === 'systemd-boot' && release === '11');

/** Guests in which every two values of the dimensions that can stand together do so at least once. */
export const matrixGuests: readonly MatrixGuest[] = coveringArray(dimensions, feasible).map((row, index) => {
  const { storage, network, boot, fs, initramfs } = row;
  return {
    name: `debian${row.release}-${boot}-${fs}-${storage}-${initramfs}-${network}`.toLowerCase(),
    ...{ storage, network, boot, fs, initramfs },
    release: Number(row.release) as MatrixGuest['release'],
    // A rebuilt initramfs costs minutes under emulation: some have to, with both tools.
    drivers: index % 5 === 4 ? 'vmware' : 'all',
    fallbackLoader: index % 2 === 0,
    address: `192.168.122.${100 + index}`,
  };
});
