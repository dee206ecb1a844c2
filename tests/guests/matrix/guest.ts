import type { Release } from './base.ts';

/** One guest of the matrix: what its disks hold and who starts them. */
export interface MatrixGuest {
  /** Its values, joined; also its host name. */
  name: string;
  release: Release;
  /** `uefi` is GRUB on an EFI system partition. */
  boot: 'bios' | 'uefi' | 'systemd-boot';
  /** Of the root file system. */
  fs: 'ext4' | 'xfs' | 'btrfs';
  /** What the root file system lies on; `luks2-lvm` is a LUKS2 container on a logical volume. */
  storage: 'plain' | 'lvm' | 'luks1' | 'luks2-lvm' | 'md1';
  initramfs: 'initramfs-tools' | 'dracut';
  network: 'ifupdown' | 'NetworkManager' | 'systemd-networkd' | 'netplan';
  /** Drivers in the initramfs: every one, or those of the hypervisor it comes from. */
  drivers: 'all' | 'vmware';
  /** Whether UEFI finds a loader where the boot entry in its memory is gone. */
  fallbackLoader: boolean;
  /** Of the one network card, in 192.168.122.0/24. */
  address: string;
}

/** Opens the container of a guest that has one. A key file in the guest's initramfs does it unattended. */
export const luksPassphrase = 'matrix: keep it secret';

/** The guest's own key to its container. */
export const luksKeyFile = Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 89 + 7) % 256));

export const isEncrypted = ({ storage }: MatrixGuest): boolean => storage.startsWith('luks');
export const hasVolumeGroup = ({ storage }: MatrixGuest): boolean => storage.endsWith('lvm');
