import type { AzureCloud } from './azure-clouds.ts';
import type { AzureLogin } from './spec.ts';
import type { Firmware } from './values.ts';

/** What there is in Azure: which VMs are asked for, and what a migration needs to know of each. */

/** Which VMs are wanted; what is left out does not choose. Names and places are compared without regard to case. */
export interface InventoryFilter {
  /** Patterns with `*` and `?`; one has to fit. */
  names?: readonly string[];
  /** All have to be there; without a value any will do. */
  tags?: readonly { name: string; value?: string }[];
  /** `stopped` is also what was deallocated. */
  state?: 'running' | 'stopped';
  os?: 'linux' | 'windows';
  /** Patterns as of names. */
  sizes?: readonly string[];
  zones?: readonly string[];
}

export interface InventoryRequest extends InventoryFilter {
  cloud: AzureCloud;
  login?: AzureLogin | undefined;
  subscription: string;
  /** In whatever case. None: the whole subscription, which has to be asked for by `all`. */
  resourceGroups: readonly string[];
  all?: boolean;
}

/** A tag as people write it: `NAME` or `NAME=VALUE`. */
export function tagOf(text: string): { name: string; value?: string } {
  const at = text.indexOf('=');
  return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
}

export interface AzureInventory {
  /** By resource group and name. */
  vms: AzureMachine[];
  /** What could not be read and is missing, each one sentence. */
  gaps: string[];
}

export const powerStates = [
  'running',
  'starting',
  'stopping',
  'stopped',
  'deallocating',
  'deallocated',
  'unknown',
] as const;
/** `stopped`: shut down in the guest, still on its hardware; `deallocated`: off it. */
export type PowerState = (typeof powerStates)[number];

/** A VM with all that a domain needs of it. */
export interface AzureMachine {
  id: string;
  name: string;
  resourceGroup: string;
  location: string;
  zones: string[];
  tags: Record<string, string>;
  state: PowerState;
  os: 'linux' | 'windows' | 'unknown';
  /** V1 of Azure's generations is `bios`, V2 `uefi`. */
  firmware?: Firmware;
  /** `x64` or `Arm64`. */
  architecture?: string;
  size: string;
  cpus?: number;
  memoryMiB?: number;
  /** Whether the size takes Premium SSDs. */
  premiumStorage?: boolean;
  /** `TrustedLaunch`, `ConfidentialVM`. */
  securityType?: string;
  secureBoot: boolean;
  vtpm: boolean;
  /** The OS disk, then the data disks by their LUN. */
  disks: AzureDisk[];
  /** The primary one first, then as Azure has them. */
  nics: AzureNic[];
}

export interface AzureDisk {
  name: string;
  /** Undefined: not a managed disk. */
  id?: string;
  /** Undefined for the OS disk. */
  lun?: number;
  sizeBytes?: number;
  /** For example `Premium_LRS`. */
  sku?: string;
  /** On the VM's own host, without a resource. */
  ephemeral: boolean;
  /** By Azure Disk Encryption, inside the guest. */
  guestEncrypted: boolean;
  /** With a key of the customer; the id of the disk encryption set. */
  encryptionSet?: string;
  /** Of a confidential VM, for example `ConfidentialVM_DiskEncryptedWithPlatformKey`. */
  securityType?: string;
  sectorBytes: number;
  /** VMs that may have it at once. */
  maxShares: number;
  /** Other VMs that have it now. */
  sharedWith: string[];
  /** Azure's `networkAccessPolicy` and `publicNetworkAccess` together. */
  exportFrom: 'anywhere' | 'private-endpoints' | 'nowhere';
  /** A signed address is not enough: who reads has to be logged in too. */
  exportNeedsLogin?: boolean;
}

export interface AzureNic {
  name: string;
  /** Lower-case, colon-separated. Azure gives one when the VM starts for the first time. */
  mac?: string;
  /** `VNET/SUBNET`; undefined without an address. */
  network?: string;
  /** Private ones, the primary first. */
  addresses: string[];
}
