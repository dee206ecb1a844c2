import { efiSystemPartition } from '../../image/partition-table.ts';
import type { BlockDevices } from './block-devices.ts';

/** Partition types that only one family of systems uses: UEFI and MBR registries, FreeBSD gpart(8). */
const byPartition: Readonly<Record<string, string>> = {
  '0xa5': 'FreeBSD',
  '0xa6': 'OpenBSD',
  '0xa9': 'NetBSD',
  '0xaf': 'macOS',
  '0xbf': 'Solaris',
  '0xfb': 'VMware ESXi',
  '83BD6B9D-7F41-11DC-BE0B-001560B84F0F': 'FreeBSD',
  '516E7CB4-6ECF-11D6-8FF8-00022D71F09B': 'FreeBSD',
  '516E7CB6-6ECF-11D6-8FF8-00022D71F09B': 'FreeBSD',
  '516E7CBA-6ECF-11D6-8FF8-00022D71F09B': 'FreeBSD',
  '824CC7A0-36A8-11E3-890A-952519AD3F61': 'OpenBSD',
  '49F48D5A-B10E-11DC-B99B-0019D1879648': 'NetBSD',
  '48465300-0000-11AA-AA11-00306543ECAC': 'macOS',
  '7C3457EF-0000-11AA-AA11-00306543ECAC': 'macOS',
  '6A85CF4D-1DD2-11B2-99A6-080020736631': 'Solaris',
  'AA31E02A-400F-11DB-9590-000C2911D1B8': 'VMware ESXi',
  '9D275380-40AD-11DB-BF97-000C2911D1B8': 'VMware ESXi',
  'FE3A2A5D-4F32-41A7-B725-ACCC3285A309': 'ChromeOS',
};
/** Types that blkid(8) tells, and that no Linux has its root on. */
const byVolume: Readonly<Record<string, string>> = {
  ufs: 'BSD or Solaris',
  hfsplus: 'macOS',
  apfs: 'macOS',
  VMFS_volume_member: 'VMware ESXi',
  ReFS: 'Windows',
  bfs: 'UnixWare',
};

/**
 * What kind of system the disks hold when it is none that was recognised: by its partitions, or because the
 * first disk is made to be booted from. Undefined for disks that look like plain data: boot code alone is no
 * sign, partitioning programs write it too.
 */
export function otherSystemOf(devices: BlockDevices): string | undefined {
  for (const disk of devices.disks) {
    for (const { number, type } of devices.table(disk).partitions) {
      const family = byPartition[type];
      if (family !== undefined) return `partition ${number} of ${disk} has the type of ${family}`;
    }
  }
  for (const { device, type } of devices.volumes) {
    const family = byVolume[type];
    if (family !== undefined) return `${device} holds ${type}, a file system of ${family}`;
  }
  const [boot] = devices.disks;
  if (boot === undefined) return undefined;
  const { active, hasBootCode, partitions } = devices.table(boot);
  if (active && hasBootCode)
    return `${boot} has boot code and an active partition, but no system that is known`;
  const esp = partitions.find(({ type }) => efiSystemPartition.includes(type));
  if (esp !== undefined)
    return `${boot} has an EFI system partition (number ${esp.number}), but no system that is known`;
  return undefined;
}
