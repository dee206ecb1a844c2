import { z } from 'zod';
import { azureClouds } from './azure-clouds.ts';
import { diskText, diskUrl } from './disk-address.ts';
import { absolutePath, macAddress, secretRef } from './spec-atoms.ts';

/** Where a VM comes from: a schema for each kind of source. */

export const imageFormats = ['raw', 'qcow2', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const;

const sourceNic = z.strictObject({
  /** The MAC address the NIC had at the source; generated from the VM's name when not known. */
  mac: macAddress.optional(),
  /** The source's name for the network; looked up in `target.networks`. */
  network: z.string().min(1).default('default'),
});

/** Only needed to override what the content says, for example `raw` for a disk that holds an image file. */
const format = z.enum(imageFormats).optional();

const imageDisk = z.union([
  diskText,
  z.strictObject({ path: absolutePath, format }),
  /** On a web server. */
  z.strictObject({ url: diskUrl, format }),
]);

const nics = z.array(sourceNic).max(16);
const cpus = z.int().min(1).max(512).optional();
const memoryMiB = z.int().min(64).max(16_777_216).optional();

export const imageSource = z.strictObject({
  kind: z.literal('image'),
  /** The VM's disks in the order the guest sees them; the first is the one it boots from. */
  disks: z.array(imageDisk).min(1).max(64),
  /** The VM's network cards, in their order on the source. */
  nics: nics.default(() => [{ network: 'default' }]),
  cpus,
  memoryMiB,
});

const most = z.int().min(1);

/** How much an archive may unpack to, where not as by default; see activities/archive/limits.ts. */
const archiveLimits = z.strictObject({
  maxMembers: most.optional(),
  maxTotalBytes: most.optional(),
  maxRatio: most.optional(),
  maxDepth: most.max(16).optional(),
  reserveBytes: z.int().min(0).optional(),
});

export const archiveSource = z
  .strictObject({
    kind: z.literal('archive'),
    /** On the KVM host: an archive, a compressed disk, an OVF descriptor, or the directory of one. */
    path: absolutePath.optional(),
    /** In place of a path: on a web server. */
    url: diskUrl.optional(),
    /** Name or id of the VM that is meant, of an OVF package with several. */
    system: z.string().min(1).max(256).optional(),
    /** Of an archive without a descriptor: names of the members that are the VM's disks, in their order. */
    disks: z.array(z.string().min(1).max(4096)).min(1).max(64).optional(),
    /** In place of what the descriptor says, or where there is none. */
    nics: nics.optional(),
    cpus,
    memoryMiB,
    /** Whether what is read has to be what the manifest says. */
    verify: z.boolean().default(true),
    limits: archiveLimits.default({}),
  })
  .refine(({ path, url }) => (path === undefined) !== (url === undefined), {
    message: 'must have either path or url',
  });

export const guid = z
  .guid('must be an id like 01234567-89ab-cdef-0123-456789abcdef')
  .transform((id) => id.toLowerCase());

/** Exactly one way to log in; a service principal has either a secret or a certificate. */
export const azureLogin = z.union([
  z.strictObject({ tenant: guid, client: guid, secret: secretRef }),
  /** Certificate and private key in one PEM file. */
  z.strictObject({ tenant: guid, client: guid, certificate: secretRef }),
  /** Of the machine that the worker runs on; `client` chooses a user-assigned one. */
  z.strictObject({ managedIdentity: z.literal(true), client: guid.optional() }),
  /** Whoever used `az login` as the worker's user. */
  z.strictObject({ cli: z.literal(true), tenant: guid.optional() }),
]);

export const azureSource = z.strictObject({
  kind: z.literal('azure'),
  subscription: guid,
  resourceGroup: z
    .string()
    .regex(/^[\p{L}\p{N}_()-][\p{L}\p{N}._()-]{0,89}$/u, 'must be the name of a resource group')
    .refine((name) => !name.endsWith('.'), 'must not end with a dot'),
  /** Its name in Azure. */
  vm: z.string().regex(/^[^\\/"[\]:|<>+=;,?*@&\s]{1,64}$/, 'must be the name of a virtual machine'),
  cloud: z.enum(azureClouds).default('public'),
  /** What the worker's environment offers when left out: AZURE_* variables, managed identity, `az login`. */
  login: azureLogin.optional(),
  /** A running VM: not touched, its disks as of one moment, or stopped first. */
  whenRunning: z.enum(['refuse', 'snapshot', 'stop']).default('refuse'),
  /** When a VM that was stopped for the migration is started again. */
  restart: z.enum(['on-failure', 'always', 'never']).default('on-failure'),
});
