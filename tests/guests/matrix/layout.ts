import type { DiskLayout, Partition } from '../lib/disk.ts';
import { MiB } from '../lib/disk.ts';
import { hasVolumeGroup, isEncrypted, type MatrixGuest } from './guest.ts';

/** `system` holds the root file system, or what that lies on. */
export type Role = 'esp' | 'boot' | 'system' | 'swap' | 'srv';

export interface Slot {
  role: Role;
  /** Index of the disk, and number of the partition on it. */
  disk: number;
  number: number;
  offsetBytes: number;
  sizeBytes: number;
}

const sizes: Record<Role, number> = {
  esp: 256 * MiB,
  boot: 320 * MiB,
  system: 1536 * MiB,
  swap: 64 * MiB,
  srv: 64 * MiB,
};
/** What the volume group holds besides root, and its metadata. */
const groupExtraBytes = sizes.swap + sizes.srv + 32 * MiB;

/** sfdisk's codes. */
const types = {
  dos: { esp: 'U', boot: '83', system: '83', swap: '82', srv: '83', lvm: '8e', raid: 'fd' },
  gpt: { esp: 'uefi', boot: 'linux', system: 'linux', swap: 'swap', srv: 'linux', lvm: 'lvm', raid: 'raid' },
} as const;

/** The partitions of a guest's disks, in their order. */
export function slotsOf(guest: MatrixGuest): Slot[] {
  const first: Role[] = [
    ...(guest.boot === 'bios' ? [] : ['esp' as const]),
    // GRUB asks for passphrases before anything else; so its files and the kernels stay outside.
    ...(isEncrypted(guest) && guest.boot !== 'systemd-boot' ? ['boot' as const] : []),
    'system',
    ...(hasVolumeGroup(guest) ? [] : ['swap' as const, 'srv' as const]),
  ];
  const disks = guest.storage === 'md1' ? [first.filter((role) => role !== 'srv'), secondOf(first)] : [first];
  return disks.flatMap((roles, disk) => placed(guest, roles, disk));
}

/** The other half of a mirror has the same partitions, so that members have the same number. */
const secondOf = (first: readonly Role[]): Role[] => first.filter((role) => role !== 'swap');

function placed(guest: MatrixGuest, roles: readonly Role[], disk: number): Slot[] {
  let offsetBytes = MiB;
  return roles.map((role, index) => {
    const sizeBytes = sizes[role] + (role === 'system' && hasVolumeGroup(guest) ? groupExtraBytes : 0);
    const slot = { role, disk, number: index + 1, offsetBytes, sizeBytes };
    offsetBytes += sizeBytes;
    return slot;
  });
}

export function slotOf(guest: MatrixGuest, role: Role): Slot {
  const slot = slotsOf(guest).find((each) => each.role === role);
  if (slot === undefined) throw new Error(`${guest.name} has no partition for ${role}`);
  return slot;
}

/** The name a VMware guest has for a partition. */
export const deviceOf = ({ disk, number }: Slot): string => `/dev/sd${'ab'[disk] ?? ''}${number}`;

/** Partition tables, one a disk. */
export function diskLayouts(guest: MatrixGuest): DiskLayout[] {
  const label = guest.boot === 'bios' ? 'dos' : 'gpt';
  const slots = slotsOf(guest);
  const disks = [...new Set(slots.map(({ disk }) => disk))];
  return disks.map((disk) => {
    const own = slots.filter((slot) => slot.disk === disk);
    const end = Math.max(...own.map(({ offsetBytes, sizeBytes }) => offsetBytes + sizeBytes));
    return {
      label,
      id: label === 'dos' ? `0x3a7e100${disk + 1}` : `3A7E1000-5000-4000-8000-00000000000${disk + 1}`,
      sizeBytes: end + MiB,
      partitions: own.map((slot) => partition(guest, slot, label)),
    };
  });
}

function partition(guest: MatrixGuest, slot: Slot, label: 'dos' | 'gpt'): Partition {
  const { role, offsetBytes, sizeBytes } = slot;
  const holds =
    role !== 'system' ? role : hasVolumeGroup(guest) ? 'lvm' : guest.storage === 'md1' ? 'raid' : 'system';
  const bootable = label === 'dos' && slot.number === 1;
  return { type: types[label][holds], startBytes: offsetBytes, sizeBytes, ...(bootable ? { bootable } : {}) };
}

/** Bytes of the root file system itself, without what it lies on. */
export const rootBytes = sizes.system;
export const volumeBytes = { swap: sizes.swap, srv: sizes.srv };
