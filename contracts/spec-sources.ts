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

export const imageSource = z.strictObject({
  kind: z.literal('image'),
  /** The VM's disks in the order the guest sees them; the first is the one it boots from. */
  disks: z.array(imageDisk).min(1).max(64),
  /** The VM's network cards, in their order on the source. */
  nics: z
    .array(sourceNic)
    .max(16)
    .default(() => [{ network: 'default' }]),
  cpus: z.int().min(1).max(512).optional(),
  memoryMiB: z.int().min(64).max(16_777_216).optional(),
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
