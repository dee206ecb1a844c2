import { LonghaulError } from '../../../contracts/errors.ts';
import type { DiskBus } from '../../../contracts/spec.ts';
import type { GuestFacts, Kernel, Mountpoint } from '../../../contracts/values.ts';
import { findsRoot } from '../linux/kernel-drivers.ts';
import type { Guestfs } from '../session/guestfs.ts';

/** What the fixes may write below a path. */
export interface SpaceNeed {
  path: string;
  bytes: number;
  inodes: number;
  why: string;
}

const MiB = 1024 * 1024;
/** Where a system has its boot loader; a USB stick elsewhere may be as full as it likes. */
const loaderPlace = /^\/(boot|efi|esp)(\/|$)/;

/**
 * The least that must be free for the fixes. Configuration files are rewritten one at a time beside the old
 * ones, which takes little; a new initramfs lies beside the old one and may be larger. It is put together on the
 * host: where that fails and the guest's own program has to do it, the fix looks for more room.
 *
 * @param images the initramfs images that will be made again, one after another
 */
export function spaceNeeds(
  mountpoints: readonly Mountpoint[],
  images: readonly { path: string; sizeBytes: number }[],
): SpaceNeed[] {
  const needs: SpaceNeed[] = [
    { path: '/', bytes: 10 * MiB, inodes: 100, why: 'changed configuration' },
    { path: '/boot', bytes: MiB, inodes: 10, why: 'changed boot configuration' },
  ];
  for (const { path, fsType } of mountpoints) {
    if (fsType === 'vfat' && loaderPlace.test(path))
      needs.push({ path, bytes: MiB, inodes: 0, why: 'a boot loader for the new firmware' });
  }
  const bySize = images.toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  const held = new Set<string | undefined>();
  for (const { path, sizeBytes } of bySize) {
    const holder = holderOf(path, mountpoints);
    if (held.has(holder)) continue;
    held.add(holder);
    const bytes = Math.ceil(sizeBytes * 1.5) + 8 * MiB;
    needs.push({ path, bytes, inodes: 4, why: 'a new initramfs beside the old one' });
  }
  return needs;
}

/** What is wanted of each file system, by the mount point that holds the paths. */
export function needsByMountpoint(
  needs: readonly SpaceNeed[],
  mountpoints: readonly Mountpoint[],
): Map<string, SpaceNeed[]> {
  const grouped = new Map<string, SpaceNeed[]>();
  for (const need of needs) {
    const holder = holderOf(need.path, mountpoints);
    if (holder !== undefined) grouped.set(holder, [...(grouped.get(holder) ?? []), need]);
  }
  return grouped;
}

function holderOf(path: string, mountpoints: readonly Mountpoint[]): string | undefined {
  const holders = mountpoints
    .map((mount) => mount.path)
    .filter((mount) => mount === '/' || `${path}/`.startsWith(`${mount}/`));
  return holders.toSorted((a, b) => b.length - a.length)[0];
}

/**
 * Before: the guest is mounted at its places.
 *
 * @param diskBus what the disks will be on; virtio when left out
 * @throws LonghaulError GUEST_NO_SPACE with the numbers of every file system that is too full
 */
export async function refuseFull(
  guest: Guestfs,
  { mountpoints, kernels }: Pick<GuestFacts, 'mountpoints' | 'kernels'>,
  diskBus?: DiskBus,
): Promise<void> {
  const rebuilt = await Promise.all(
    kernels
      .filter((kernel) => needsRebuild(kernel, diskBus))
      .map(async ({ initramfs: path = '' }) => {
        const { sizeBytes } = await guest.stat(path);
        return { path, sizeBytes };
      }),
  );
  const short: string[] = [];
  const details: Record<string, unknown>[] = [];
  for (const [path, needs] of needsByMountpoint(spaceNeeds(mountpoints, rebuilt), mountpoints)) {
    const { blockSize, blocksFree, files, filesFree } = await guest.statvfs(path);
    const freeBytes = blockSize * blocksFree;
    const neededBytes = needs.reduce((sum, { bytes }) => sum + bytes, 0);
    const neededInodes = needs.reduce((sum, { inodes }) => sum + inodes, 0);
    const why = [...new Set(needs.map((need) => need.why))].join(', ');
    if (freeBytes < neededBytes)
      short.push(`${path} has ${freeBytes} bytes free, the fixes may need ${neededBytes} (${why})`);
    // File systems that make inodes as they go (btrfs, FAT) count none.
    const fewInodes = files > 0 && filesFree < neededInodes;
    if (fewInodes)
      short.push(`${path} has ${filesFree} inodes free, the fixes may need ${neededInodes} (${why})`);
    if (freeBytes < neededBytes || fewInodes)
      details.push({ path, freeBytes, neededBytes, freeInodes: filesFree, neededInodes });
  }
  if (short.length === 0) return;
  throw new LonghaulError('GUEST_NO_SPACE', {
    found: short.join('; '),
    remedy: 'Make room there in the source VM (old kernels, logs, package caches) and migrate again.',
    details: { fileSystems: details },
  });
}

function needsRebuild(kernel: Kernel, diskBus: DiskBus | undefined): boolean {
  return kernel.bootable && kernel.initramfs !== undefined && !findsRoot(kernel, diskBus);
}
