import type { DiskContent, FrozenContent } from '../storage/disk-content.ts';

/** What every resource has. Names keep the spelling they were created with; they are compared without case. */
export interface Resource {
  id: string;
  name: string;
  resourceGroup: string;
  location: string;
  tags: Record<string, string>;
  createdAt: Date;
}

export interface ResourceGroup extends Resource {
  subscription: string;
}

export type PowerState = 'running' | 'stopped' | 'deallocated' | 'starting' | 'stopping' | 'deallocating';
export type Generation = 'V1' | 'V2';
export type OsType = 'Linux' | 'Windows';

export interface Vm extends Resource {
  vmId: string;
  size: string;
  osType: OsType;
  generation: Generation;
  powerState: PowerState;
  zones: string[];
  securityProfile?: Record<string, unknown> | undefined;
  /** Where an ephemeral OS disk lies. */
  ephemeral?: 'CacheDisk' | 'ResourceDisk' | undefined;
  osDisk: Disk;
  dataDisks: { lun: number; disk: Disk }[];
  nics: Nic[];
}

export interface Disk extends Resource {
  uniqueId: string;
  sizeBytes: number;
  sku: string;
  zones: string[];
  osType?: OsType | undefined;
  generation?: Generation | undefined;
  /** `managedBy`: the VM it is attached to. */
  vmId?: string | undefined;
  logicalSectorBytes: number;
  maxShares: number;
  /** Other VMs that have it too. */
  sharedWithIds: string[];
  networkAccessPolicy: string;
  dataAccessAuthMode?: 'AzureActiveDirectory' | 'None' | undefined;
  architecture?: string | undefined;
  encryption: { type: string; diskEncryptionSetId?: string };
  /** `encryptionSettingsCollection`: Azure Disk Encryption. */
  encryptionSettings?: Record<string, unknown> | undefined;
  securityProfile?: Record<string, unknown> | undefined;
  familyId: string;
  content: DiskContent;
  grants: Grant[];
}

/** A SAS that was given out: the stored access policy it names, and when that ends. */
export interface Grant {
  policyId: string;
  startsAtMs: number;
  expiresAtMs: number;
}

export interface Snapshot extends Resource {
  uniqueId: string;
  sku: string;
  incremental: boolean;
  createOption: string;
  sourceId: string;
  /** The disk it shows. */
  disk: Disk;
  /** Undefined while the operation that makes it is under way, or when that failed. */
  content?: FrozenContent | undefined;
  provisioningState: 'Updating' | 'Succeeded' | 'Failed' | 'Canceled';
  /** Why the background copy broke off. */
  copyError?: { errorCode: string; errorMessage: string } | undefined;
  /** End of the background copy, of disks that have one. */
  copiedAtMs?: number | undefined;
  grants: Grant[];
}

export interface RestorePointCollection extends Resource {
  vmId: string;
  provisioningState: 'Succeeded' | 'Deleting';
  points: Map<string, RestorePoint>;
  /** `familyId` of each disk's restore points here, by the disk's unique id. */
  families: Map<string, string>;
}

export interface RestorePoint extends Resource {
  vm: Vm;
  consistencyMode: string;
  provisioningState: 'Creating' | 'Succeeded' | 'Failed' | 'Deleting';
  excludedIds: string[];
  disks: DiskRestorePoint[];
}

export interface DiskRestorePoint extends Resource {
  disk: Disk;
  familyId: string;
  content?: FrozenContent | undefined;
  copiedAtMs?: number | undefined;
  grants: Grant[];
}

export interface Nic extends Resource {
  /** As Azure shows it: `00-0D-3A-1B-C7-21`. */
  mac?: string | undefined;
  primary: boolean;
  vmId?: string | undefined;
  acceleratedNetworking: boolean;
  ipConfigurations: IpConfiguration[];
}

export interface IpConfiguration {
  name: string;
  privateIp: string;
  allocation: 'Dynamic' | 'Static';
  subnetId: string;
  publicIp?: PublicIp | undefined;
}

export interface PublicIp extends Resource {
  address?: string | undefined;
}

/** Resources of one type by their ids, in the order they were made. */
export class Table<T extends Resource> {
  readonly type: string;
  readonly #byId = new Map<string, T>();

  constructor(type: string) {
    this.type = type;
  }

  put(resource: T): void {
    this.#byId.set(resource.id.toLowerCase(), resource);
  }

  find(id: string): T | undefined {
    return this.#byId.get(id.toLowerCase());
  }

  remove(id: string): void {
    this.#byId.delete(id.toLowerCase());
  }

  /** Those of a resource group, or all. */
  list(resourceGroup?: string): T[] {
    const all = [...this.#byId.values()];
    if (resourceGroup === undefined) return all;
    return all.filter((one) => one.resourceGroup.toLowerCase() === resourceGroup.toLowerCase());
  }
}
