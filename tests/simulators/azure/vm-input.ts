import { randomBytes } from 'node:crypto';
import type { Disk, Generation, Nic, OsType, PowerState, PublicIp, ResourceGroup, Vm } from './arm/model.ts';
import type { World } from './arm/world.ts';
import type { InitialContent } from './storage/disk-content.ts';

/** A VM as tests describe it. What is left out is what Azure would most often have. */
export interface VmInput {
  name: string;
  resourceGroup: string;
  location?: string;
  size?: string;
  osType?: OsType;
  generation?: Generation;
  powerState?: PowerState;
  zone?: string;
  tags?: Record<string, string>;
  /** As the service shows it, such as `{ securityType: 'ConfidentialVM' }`. */
  securityProfile?: Record<string, unknown>;
  /** Where an ephemeral OS disk lies. */
  ephemeral?: 'CacheDisk' | 'ResourceDisk';
  /** The one without `lun` is the OS disk. */
  disks: readonly DiskInput[];
  nics?: readonly NicInput[];
}

export interface DiskInput {
  /** `NAME_OsDisk` or `NAME_DataDisk_LUN` unless given. */
  name?: string;
  lun?: number;
  sizeBytes: number;
  /** An empty disk without it. */
  content?: InitialContent;
  sku?: string;
  /** As the service shows it; `{ type: 'EncryptionAtRestWithPlatformKey' }` unless given. */
  encryption?: { type: string; diskEncryptionSetId?: string };
  /** `encryptionSettingsCollection`: Azure Disk Encryption. */
  encryptionSettings?: Record<string, unknown>;
  securityProfile?: Record<string, unknown>;
  logicalSectorBytes?: 512 | 4096;
  maxShares?: number;
  /** Names of other VMs of the group that have it too. */
  sharedWith?: readonly string[];
  /** `AllowAll` unless given. */
  networkAccessPolicy?: 'AllowAll' | 'AllowPrivate' | 'DenyAll';
  /** Who may use a SAS of it: anybody who has it unless given. */
  dataAccessAuthMode?: 'AzureActiveDirectory' | 'None';
  /** `x64` unless given; of OS disks. */
  architecture?: 'x64' | 'Arm64';
  tags?: Record<string, string>;
}

export interface NicInput {
  /** `NAME-nic0` and so on unless given. */
  name?: string;
  /** `00-0D-3A-..` at random unless given. */
  mac?: string;
  privateIps?: readonly string[];
  publicIp?: string;
  /** The last part of the subnet's id. */
  subnet?: string;
  static?: boolean;
}

const defaultLocation = 'westeurope';

/** Puts a VM with its disks, cards and addresses into the world. Content is put into Azurite before this ends. */
export async function addVm(world: World, input: VmInput): Promise<Vm> {
  const group = world.addGroup(input.resourceGroup, input.location ?? defaultLocation);
  const disks = input.disks.map((disk) => ({
    input: disk,
    disk: newDisk(world, { group, vm: input, disk }),
  }));
  const os = disks.find((one) => one.input.lun === undefined);
  if (!os) throw new RangeError(`${input.name} has no OS disk: one without lun`);
  const vm: Vm = {
    ...world.resource(group, world.vms.type, input.name, input.tags),
    vmId: world.newId(),
    size: input.size ?? 'Standard_D2s_v3',
    osType: input.osType ?? 'Linux',
    generation: input.generation ?? 'V2',
    powerState: input.powerState ?? 'running',
    zones: input.zone === undefined ? [] : [input.zone],
    securityProfile: input.securityProfile,
    ephemeral: input.ephemeral,
    osDisk: os.disk,
    dataDisks: disks.flatMap(({ input: { lun }, disk }) => (lun === undefined ? [] : [{ lun, disk }])),
    nics: (input.nics ?? [{}]).map((nic, at) => newNic(world, { group, vm: input, nic, at })),
  };
  for (const { disk } of disks) disk.vmId = vm.id;
  for (const nic of vm.nics) nic.vmId = vm.id;
  for (const {
    input: { content },
    disk,
  } of disks)
    if (content) await disk.content.load(content);
  world.vms.put(vm);
  return vm;
}

function newDisk(
  world: World,
  { group, vm, disk }: { group: ResourceGroup; vm: VmInput; disk: DiskInput },
): Disk {
  const isOs = disk.lun === undefined;
  const name = disk.name ?? (isOs ? `${vm.name}_OsDisk` : `${vm.name}_DataDisk_${disk.lun}`);
  const added: Disk = {
    ...world.resource(group, world.disks.type, name, disk.tags),
    uniqueId: world.newId(),
    sizeBytes: disk.sizeBytes,
    sku: disk.sku ?? 'Premium_LRS',
    zones: vm.zone === undefined ? [] : [vm.zone],
    osType: isOs ? (vm.osType ?? 'Linux') : undefined,
    generation: isOs ? (vm.generation ?? 'V2') : undefined,
    logicalSectorBytes: disk.logicalSectorBytes ?? 512,
    maxShares: disk.maxShares ?? 1,
    sharedWithIds: (disk.sharedWith ?? []).map((other) => world.idOf(group.name, world.vms.type, other)),
    networkAccessPolicy: disk.networkAccessPolicy ?? 'AllowAll',
    dataAccessAuthMode: disk.dataAccessAuthMode,
    architecture: isOs ? (disk.architecture ?? 'x64') : undefined,
    encryption: disk.encryption ?? { type: 'EncryptionAtRestWithPlatformKey' },
    encryptionSettings: disk.encryptionSettings,
    securityProfile: disk.securityProfile,
    familyId: world.newId(),
    content: world.storage.newDisk(disk.sizeBytes),
    grants: [],
  };
  // An ephemeral disk lies on the VM's host; there is no resource of it.
  if (!(isOs && vm.ephemeral)) world.disks.put(added);
  return added;
}

function newNic(
  world: World,
  { group, vm, nic, at }: { group: ResourceGroup; vm: VmInput; nic: NicInput; at: number },
): Nic {
  const name = nic.name ?? `${vm.name}-nic${at}`;
  const { privateIps = [`10.0.${at}.4`], subnet = 'default' } = nic;
  const subnetId = `${world.idOf(group.name, 'Microsoft.Network/virtualNetworks', `${group.name}-vnet`)}/subnets/${subnet}`;
  const added: Nic = {
    ...world.resource(group, world.nics.type, name),
    mac:
      nic.mac ??
      `00-0D-3A-${randomBytes(3)
        .toString('hex')
        .replace(/..(?!$)/g, '$&-')
        .toUpperCase()}`,
    primary: at === 0,
    acceleratedNetworking: true,
    ipConfigurations: privateIps.map((privateIp, index) => ({
      name: `ipconfig${index + 1}`,
      privateIp,
      allocation: nic.static ? 'Static' : 'Dynamic',
      subnetId,
      publicIp:
        index === 0 && nic.publicIp !== undefined ? newPublicIp(world, group, name, nic.publicIp) : undefined,
    })),
  };
  world.nics.put(added);
  return added;
}

function newPublicIp(world: World, group: ResourceGroup, nic: string, address: string): PublicIp {
  const added: PublicIp = { ...world.resource(group, world.publicIps.type, `${nic}-ip`), address };
  world.publicIps.put(added);
  return added;
}
