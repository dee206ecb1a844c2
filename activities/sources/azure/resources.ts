import { z } from 'zod';

/**
 * The parts of Azure's resources that are read, in the shape the SDK gives them. They come over the network: what
 * is not as expected is refused here and not met later.
 */

const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);
const name = z.string().max(260);
/** `/subscriptions/ID/resourceGroups/NAME/providers/TYPE/NAME`; compared without regard to case. */
const resourceId = z
  .string()
  .max(2048)
  .regex(/^\/subscriptions\/[^/]+\//i);
const reference = z.object({ id: resourceId });
const gibibytes = z.number().nonnegative().max(1_048_576);
const tags = optional(z.record(name.max(512), z.string().max(1024)));

const attachedDisk = {
  name: optional(name),
  diskSizeGB: optional(gibibytes),
  managedDisk: optional(
    z.object({
      id: optional(resourceId),
      storageAccountType: optional(name),
      securityProfile: optional(z.object({ securityEncryptionType: optional(name) })),
    }),
  ),
  /** Of an unmanaged disk. */
  vhd: optional(z.object({ uri: optional(z.string().max(4096)) })),
};
const instanceView = optional(
  z.object({
    hyperVGeneration: optional(name),
    statuses: optional(z.array(z.object({ code: optional(name) })).max(100)),
  }),
);

export const vmResource = z.object({
  id: resourceId,
  name,
  location: name,
  zones: optional(z.array(name).max(10)),
  tags,
  hardwareProfile: optional(
    z.object({
      vmSize: optional(name),
      vmSizeProperties: optional(z.object({ vCPUsAvailable: optional(z.int().positive()) })),
    }),
  ),
  storageProfile: optional(
    z.object({
      osDisk: optional(
        z.object({
          ...attachedDisk,
          osType: optional(name),
          diffDiskSettings: optional(z.object({ option: optional(name) })),
          encryptionSettings: optional(z.object({ enabled: optional(z.boolean()) })),
        }),
      ),
      dataDisks: optional(z.array(z.object({ ...attachedDisk, lun: z.int().min(0).max(1000) })).max(256)),
    }),
  ),
  securityProfile: optional(
    z.object({
      securityType: optional(name),
      uefiSettings: optional(
        z.object({ secureBootEnabled: optional(z.boolean()), vTpmEnabled: optional(z.boolean()) }),
      ),
    }),
  ),
  networkProfile: optional(
    z.object({
      networkInterfaces: optional(
        z.array(z.object({ id: resourceId, primary: optional(z.boolean()) })).max(64),
      ),
    }),
  ),
  instanceView,
});
export type VmResource = z.output<typeof vmResource>;

/** What a listing with `statusOnly` has of a VM. */
export const vmStatus = z.object({ id: resourceId, instanceView });

export const diskResource = z.object({
  id: resourceId,
  name,
  managedBy: optional(resourceId),
  managedByExtended: optional(z.array(resourceId).max(100)),
  sku: optional(z.object({ name: optional(name) })),
  hyperVGeneration: optional(name),
  supportedCapabilities: optional(z.object({ architecture: optional(name) })),
  creationData: optional(z.object({ logicalSectorSize: optional(z.int().positive()) })),
  diskSizeGB: optional(gibibytes),
  diskSizeBytes: optional(z.int().nonnegative()),
  encryptionSettingsCollection: optional(z.object({ enabled: optional(z.boolean()) })),
  encryption: optional(z.object({ type: optional(name), diskEncryptionSetId: optional(resourceId) })),
  maxShares: optional(z.int().positive()),
  networkAccessPolicy: optional(name),
  publicNetworkAccess: optional(name),
  dataAccessAuthMode: optional(name),
  securityProfile: optional(z.object({ securityType: optional(name) })),
});
export type DiskResource = z.output<typeof diskResource>;

export const nicResource = z.object({
  id: resourceId,
  name,
  macAddress: optional(name),
  primary: optional(z.boolean()),
  ipConfigurations: optional(
    z
      .array(
        z.object({
          privateIPAddress: optional(z.string().max(64)),
          primary: optional(z.boolean()),
          subnet: optional(reference),
        }),
      )
      .max(512),
  ),
});
export type NicResource = z.output<typeof nicResource>;

export const snapshotResource = z.object({
  id: resourceId,
  name,
  tags,
  creationData: optional(z.object({ sourceResourceId: optional(resourceId) })),
  incremental: optional(z.boolean()),
  /** `ActiveSAS` while somebody has access. */
  diskState: optional(name),
});

export type SnapshotResource = z.output<typeof snapshotResource>;

export const skuResource = z.object({
  resourceType: optional(name),
  name: optional(name),
  capabilities: optional(
    z.array(z.object({ name: optional(name), value: optional(z.string().max(4096)) })).max(500),
  ),
});

/** The same for all spellings of an id. */
export const idKey = (id: string) => id.toLowerCase();

/** Of an id; undefined when it names none. */
export function resourceGroupOf(id: string): string | undefined {
  return /\/resourceGroups\/([^/]+)/i.exec(id)?.[1];
}

/** The OS disk, then the data disks by their LUN: the order in which the guest is to see them. */
export function inGuestOrder<O, D extends { lun?: number | undefined }>(
  profile: {
    osDisk?: O | undefined;
    dataDisks?: D[] | undefined;
  } = {},
): (O | D | undefined)[] {
  const { osDisk, dataDisks = [] } = profile;
  return [osDisk, ...dataDisks.toSorted((a, b) => (a.lun ?? 0) - (b.lun ?? 0))];
}

/** The last part of an id. */
export function nameOf(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}
