import {
  powerStates,
  type AzureDisk,
  type AzureMachine,
  type AzureNic,
  type PowerState,
} from '../../../contracts/azure-inventory.ts';
import type { Firmware } from '../../../contracts/values.ts';
import {
  idKey,
  inGuestOrder,
  nameOf,
  resourceGroupOf,
  type DiskResource,
  type NicResource,
  type VmResource,
} from './resources.ts';
import type { AzureSize } from './sizes.ts';

/** What is known besides the VM itself, by {@link idKey} of ids. */
export interface Surroundings {
  disks: ReadonlyMap<string, DiskResource>;
  nics: ReadonlyMap<string, NicResource>;
  sizeOf(location: string, size: string): AzureSize | undefined;
  /** In place of what the VM says of itself. */
  state?: PowerState;
}

export function machineOf(vm: VmResource, around: Surroundings): AzureMachine {
  const { storageProfile, hardwareProfile, securityProfile } = vm;
  const size = hardwareProfile?.vmSize ?? 'unknown';
  const facts = around.sizeOf(vm.location, size);
  const cpus = hardwareProfile?.vmSizeProperties?.vCPUsAvailable ?? facts?.cpus;
  const osResource = resourceOf(storageProfile?.osDisk, around.disks);
  const generation = osResource?.hyperVGeneration ?? vm.instanceView?.hyperVGeneration;
  return {
    id: vm.id,
    name: vm.name,
    resourceGroup: resourceGroupOf(vm.id) ?? '',
    location: vm.location,
    zones: vm.zones ?? [],
    tags: vm.tags ?? {},
    state: around.state ?? powerStateOf(vm.instanceView),
    os: osOf(storageProfile?.osDisk?.osType),
    ...definedOnly({
      firmware: firmwareOf(generation),
      architecture: osResource?.supportedCapabilities?.architecture ?? facts?.architecture,
      cpus,
      memoryMiB: facts?.memoryMiB,
      premiumStorage: facts?.premiumStorage,
      securityType: securityProfile?.securityType,
    }),
    size,
    secureBoot: securityProfile?.uefiSettings?.secureBootEnabled === true,
    vtpm: securityProfile?.uefiSettings?.vTpmEnabled === true,
    disks: disksOf(vm, around.disks),
    nics: nicsOf(vm, around.nics),
  };
}

type AttachedDisk = NonNullable<NonNullable<VmResource['storageProfile']>['osDisk']>;
type AttachedDataDisk = NonNullable<NonNullable<VmResource['storageProfile']>['dataDisks']>[number];

function disksOf(vm: VmResource, resources: Surroundings['disks']): AzureDisk[] {
  return inGuestOrder(vm.storageProfile).flatMap((disk) =>
    disk === undefined ? [] : diskOf(vm, disk, resources),
  );
}

function diskOf(
  vm: VmResource,
  attached: AttachedDisk | AttachedDataDisk,
  resources: Surroundings['disks'],
): AzureDisk {
  const resource = resourceOf(attached, resources);
  const id = attached.managedDisk?.id;
  const gib = resource?.diskSizeGB ?? attached.diskSizeGB;
  const isOs = !('lun' in attached);
  return {
    name: attached.name ?? resource?.name ?? (id === undefined ? 'without a name' : nameOf(id)),
    ...definedOnly({
      id,
      lun: isOs ? undefined : attached.lun,
      sizeBytes: resource?.diskSizeBytes ?? (gib === undefined ? undefined : gib * 2 ** 30),
      sku: resource?.sku?.name ?? attached.managedDisk?.storageAccountType,
      encryptionSet: resource?.encryption?.diskEncryptionSetId,
      securityType:
        resource?.securityProfile?.securityType ??
        attached.managedDisk?.securityProfile?.securityEncryptionType,
    }),
    ephemeral: isOs && attached.diffDiskSettings?.option === 'Local',
    guestEncrypted:
      resource?.encryptionSettingsCollection?.enabled === true ||
      (isOs && attached.encryptionSettings?.enabled === true),
    sectorBytes: resource?.creationData?.logicalSectorSize ?? 512,
    maxShares: resource?.maxShares ?? 1,
    sharedWith: (resource?.managedByExtended ?? []).filter((other) => idKey(other) !== idKey(vm.id)),
    exportFrom: exportFrom(resource),
    ...(resource?.dataAccessAuthMode === 'AzureActiveDirectory' ? { exportNeedsLogin: true } : {}),
  };
}

function resourceOf(
  attached: { managedDisk?: { id?: string | undefined } | undefined } | undefined,
  resources: Surroundings['disks'],
): DiskResource | undefined {
  const id = attached?.managedDisk?.id;
  return id === undefined ? undefined : resources.get(idKey(id));
}

function exportFrom(disk: DiskResource | undefined): AzureDisk['exportFrom'] {
  if (disk?.networkAccessPolicy === 'DenyAll') return 'nowhere';
  if (disk?.networkAccessPolicy === 'AllowPrivate' || disk?.publicNetworkAccess === 'Disabled')
    return 'private-endpoints';
  return 'anywhere';
}

function nicsOf(vm: VmResource, resources: Surroundings['nics']): AzureNic[] {
  const references = vm.networkProfile?.networkInterfaces ?? [];
  return references
    .map(({ id, primary }) => ({ id, resource: resources.get(idKey(id)), primary }))
    .toSorted((a, b) => Number(isPrimary(b)) - Number(isPrimary(a)))
    .map(({ id, resource }) => {
      const configurations = (resource?.ipConfigurations ?? []).toSorted(
        (a, b) => Number(b.primary ?? false) - Number(a.primary ?? false),
      );
      return {
        name: resource?.name ?? nameOf(id),
        ...definedOnly({
          mac: macOf(resource?.macAddress),
          network: networkOf(configurations[0]?.subnet?.id),
        }),
        addresses: configurations.flatMap(({ privateIPAddress }) => privateIPAddress ?? []),
      };
    });
}

/** A single NIC may leave it out. */
function isPrimary({
  primary,
  resource,
}: {
  primary: boolean | undefined;
  resource: NicResource | undefined;
}) {
  return primary ?? resource?.primary ?? false;
}

/** Azure writes `00-0D-3A-1B-C7-21`. */
function macOf(text: string | undefined): string | undefined {
  const mac = text?.replaceAll('-', ':').toLowerCase();
  return mac !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}

function networkOf(subnetId: string | undefined): string | undefined {
  const [, network, subnet] = /\/virtualNetworks\/([^/]+)\/subnets\/([^/]+)$/i.exec(subnetId ?? '') ?? [];
  return network === undefined || subnet === undefined ? undefined : `${network}/${subnet}`;
}

/** From statuses such as `PowerState/running`. */
export function powerStateOf(
  view: { statuses?: readonly { code?: string | undefined }[] | undefined } | undefined,
): PowerState {
  for (const { code } of view?.statuses ?? []) {
    const [, state] = /^PowerState\/(\w+)$/.exec(code ?? '') ?? [];
    if (state !== undefined) return powerStates.find((known) => known === state) ?? 'unknown';
  }
  return 'unknown';
}

function osOf(osType: string | undefined): AzureMachine['os'] {
  const os = osType?.toLowerCase();
  return os === 'linux' || os === 'windows' ? os : 'unknown';
}

function firmwareOf(generation: string | undefined): Firmware | undefined {
  if (generation === 'V1') return 'bios';
  return generation === 'V2' ? 'uefi' : undefined;
}

/** Without the keys whose value is undefined. */
function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
