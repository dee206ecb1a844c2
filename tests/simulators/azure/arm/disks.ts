import type { Disk } from './model.ts';
import { accessRoutes } from './export-access.ts';
import { hasActiveGrant } from './grants.ts';
import { conflict } from './errors.ts';
import { readRoutes } from './read-routes.ts';
import { pathsOf, type Route } from './router.ts';
import { patchTags } from './tags.ts';
import type { World } from './world.ts';

const type = 'Microsoft.Compute/disks';

export function diskRoutes(world: World): Route[] {
  const paths = pathsOf(type);
  const render = (disk: Disk) => renderDisk(world, disk);
  const find = (params: Record<string, string>) =>
    world.require(world.disks, params['group'] ?? '', params['name'] ?? '');
  return [
    ...readRoutes(world, world.disks, render),
    patchTags(world, { table: world.disks, path: paths.one, render }),
    ...accessRoutes(world, {
      path: paths.one,
      type,
      find: async (params) => {
        const disk = find(params);
        return { exported: disk, at: await disk.content.blob(), check: () => refuseAttached(world, disk) };
      },
    }),
  ];
}

function refuseAttached(world: World, disk: Disk): void {
  if (stateOf(world, disk) === 'Attached')
    throw conflict(
      'OperationNotAllowed',
      `Cannot perform operation 'beginGetAccess' on disk ${disk.name} while it is attached to a running VM.`,
    );
}

function stateOf(world: World, disk: Disk): string {
  if (hasActiveGrant(disk)) return 'ActiveSAS';
  const vm = disk.vmId === undefined ? undefined : world.vms.find(disk.vmId);
  if (!vm) return 'Unattached';
  return vm.powerState === 'deallocated' ? 'Reserved' : 'Attached';
}

function renderDisk(world: World, disk: Disk) {
  const { id, name, location, tags, zones, sku, vmId, osType, generation, sizeBytes } = disk;
  const special = ['PremiumV2_LRS', 'UltraSSD_LRS'].includes(sku);
  return {
    name,
    id,
    type,
    location,
    tags,
    ...(zones.length > 0 ? { zones } : {}),
    ...(vmId === undefined ? {} : { managedBy: vmId }),
    ...(disk.sharedWithIds.length > 0 ? { managedByExtended: [vmId, ...disk.sharedWithIds] } : {}),
    sku: { name: sku, tier: sku.split('_')[0] },
    properties: {
      ...(osType ? { osType } : {}),
      ...(generation ? { hyperVGeneration: generation } : {}),
      creationData: {
        createOption: osType ? 'FromImage' : 'Empty',
        ...(special ? { logicalSectorSize: disk.logicalSectorBytes } : {}),
      },
      diskSizeGB: Math.ceil(sizeBytes / 2 ** 30),
      diskSizeBytes: sizeBytes,
      diskIOPSReadWrite: 500,
      diskMBpsReadWrite: 60,
      encryption: encryptionOf(disk),
      ...(disk.encryptionSettings ? { encryptionSettingsCollection: disk.encryptionSettings } : {}),
      ...(disk.securityProfile ? { securityProfile: disk.securityProfile } : {}),
      ...(disk.maxShares > 1 ? { maxShares: disk.maxShares } : {}),
      ...(disk.architecture ? { supportedCapabilities: { architecture: disk.architecture } } : {}),
      networkAccessPolicy: disk.networkAccessPolicy,
      publicNetworkAccess: 'Enabled',
      ...(disk.dataAccessAuthMode ? { dataAccessAuthMode: disk.dataAccessAuthMode } : {}),
      timeCreated: disk.createdAt.toISOString(),
      provisioningState: 'Succeeded',
      diskState: stateOf(world, disk),
      uniqueId: disk.uniqueId,
    },
  };
}

export const encryptionOf = ({ encryption }: Disk) => ({
  type: encryption.type,
  ...(encryption.diskEncryptionSetId === undefined
    ? {}
    : { diskEncryptionSetId: encryption.diskEncryptionSetId }),
});
