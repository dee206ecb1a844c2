import { z } from 'zod';
import { labelPattern, labelRule, maxLabels } from './labels.ts';
import { absolutePath, macAddress, secretRef, vmName } from './spec-atoms.ts';
import { archiveSource, azureSource, imageSource, type imageFormats } from './spec-sources.ts';

/**
 * The migration spec: what an operator writes (YAML or JSON) and what travels in workflow input.
 * Objects are strict, so that a misspelt key is an error and not a silently ignored wish.
 */

export const diskBuses = ['virtio', 'sata', 'scsi'] as const;
export const nicModels = ['virtio', 'e1000e', 'e1000', 'rtl8139'] as const;

const isOneOf = (kinds: readonly z.ZodType[]) => (text: string) =>
  kinds.some((kind) => kind.safeParse(text).success);
const ipAddress = z
  .string()
  .refine(isOneOf([z.ipv4(), z.ipv6()]), 'must be an IPv4 or IPv6 address without a prefix');

const staticAddress = z.strictObject({
  /** Which card: the MAC address of one of the VM's NICs. */
  mac: macAddress,
  address: z
    .string()
    .refine(isOneOf([z.cidrv4(), z.cidrv6()]), 'must look like 192.0.2.10/24 or 2001:db8::10/64'),
  gateway: ipAddress.optional(),
  dns: z.array(ipAddress).max(8).default([]),
});

const hostName = z
  .string()
  .max(253)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
    'must be a host name: labels of letters, digits and inner dashes, separated by dots',
  );

/** One line of authorized_keys without options, sshd(8). */
const publicKey = z
  .string()
  .max(16_384)
  .regex(
    /^(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]{16,}={0,3}( [ -~\u00a0-\uffff]*)?$/,
    'must be a public key as in an id_ed25519.pub file: type, key and perhaps a comment in one line',
  );

const sshKey = z
  .strictObject({
    /** A user that the guest has. */
    user: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'must be the name of a user'),
    key: publicKey.optional(),
    /** A file on the KVM host with public keys, one a line. */
    keyFile: absolutePath.optional(),
  })
  .check((ctx) => {
    const { key, keyFile } = ctx.value;
    if ((key === undefined) !== (keyFile === undefined)) return;
    const message = 'must have either key or keyFile';
    ctx.issues.push({ code: 'custom', input: ctx.value, path: [], message });
  });

const luksKey = z
  .strictObject({
    /** UUID of the container, its device, or `all`. */
    device: z.string().min(1).default('all'),
    /** A passphrase: one line end at its end is not part of it. */
    key: secretRef.optional(),
    /** A key file: every byte of it counts. */
    keyFile: secretRef.optional(),
    /** Ask the TPM or Tang servers that the container is bound to; true or left out. */
    clevis: z.literal(true).optional(),
  })
  .refine(
    ({ key, keyFile, clevis }) => [key, keyFile, clevis].filter((way) => way !== undefined).length === 1,
    {
      message: 'must have exactly one of key, keyFile and clevis',
    },
  );

const guestOptions = z.strictObject({
  /** `false` hands the disks over unchanged: nothing is mounted, nothing is fixed. */
  fix: z.boolean().default(true),
  /** Hands the disks over unchanged, whatever they hold; the VM is still defined and boot-checked. */
  passthrough: z.boolean().default(false),
  /** The root file system when there is more than one operating system; see docs/spec.md. */
  root: z
    .string()
    .regex(/^(btrfsvol:)?\/dev\/[^\0]+$/, 'must be a device like /dev/sda2, or btrfsvol:/dev/sda2/SUBVOLUME')
    .optional(),
  /** Make the guest usable on its serial port: a login there, and kernel messages. */
  serialConsole: z.boolean().default(true),
  /** Addresses that take the place of what configured a card before; several for one card may be given. */
  addresses: z.array(staticAddress).max(64).optional(),
  /** Keys for LUKS containers, tried in this order. */
  luksKeys: z.array(luksKey).default([]),
  /** What a container that stays locked means when the root is open: a warning, or the end. */
  lockedDisks: z.enum(['warn', 'fail']).default('warn'),
  // Specs of migrations that were under way before these keys existed have none of them.
  /** Packages of the QEMU guest agent, or directories of them, on the KVM host; never from the network. */
  agentPackages: z.array(absolutePath).max(32).optional(),
  /** The guest's new host name. */
  hostname: hostName.optional(),
  /** Scripts on the KVM host that the guest runs once, in this order, at its first boot. */
  firstBoot: z.array(absolutePath).max(64).optional(),
  /** Public keys that users of the guest may log in with. */
  sshKeys: z.array(sshKey).max(64).optional(),
});

const targetOptions = z.strictObject({
  /** Id of the KVM host that will own the VM, or `any` for the first one with a free slot and enough space. */
  host: z.string().min(1).default('any'),
  /** Only hosts that have all of these take the VM. Specs of migrations that were under way before have none. */
  labels: z.array(z.string().regex(labelPattern, labelRule)).min(1).max(maxLabels).optional(),
  /** Directory of the new disks. Either this or `pool`. */
  directory: absolutePath.optional(),
  /** A directory-backed libvirt storage pool. */
  pool: z.string().min(1).optional(),
  format: z.enum(['qcow2', 'raw']).default('qcow2'),
  compression: z.enum(['none', 'zstd']).default('none'),
  /** Source network name to libvirt network (`name`) or host bridge (`bridge:name`); `default` catches the rest. */
  networks: z.record(z.string(), z.string().min(1)).default({ default: 'default' }),
  firmware: z.enum(['auto', 'bios', 'uefi']).default('auto'),
  cpus: z.int().min(1).max(512).optional(),
  memoryMiB: z.int().min(64).max(16_777_216).optional(),
  /** `auto`: virtio, or SATA when the guest is known to lack the driver and was not fixed. */
  diskBus: z.enum(['auto', ...diskBuses]).default('auto'),
  nicModel: z.enum(nicModels).default('virtio'),
  autostart: z.boolean().default(false),
  /** `auto`: KVM where a stock kernel really runs under it, else TCG. */
  accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
});

const policyOptions = z.strictObject({
  /** `park` waits for an operator's retry, skip or abort; `fail` undoes what was done and ends. */
  onFailure: z.enum(['park', 'fail']).default('park'),
  verifyBoot: z.boolean().default(true),
  /** Time limit of the boot check in seconds; the default depends on the accelerator. */
  bootTimeoutSeconds: z.int().min(5).max(7200).optional(),
  /** Fail the boot check of a guest that does not show the addresses it had at the source. */
  verifyAddresses: z.boolean().default(true),
  /** Read the finished disks back and compare them with the source chain. */
  verifyCopy: z.boolean().default(false),
  /** What cancel and abort do with disks that were already converted whole. */
  onAbort: z.enum(['keep', 'purge']).default('keep'),
  /** How fast disks are fetched at most, in MiB a second; the host may have a limit of its own. */
  maxMiBPerSecond: z.int().min(1).max(1_000_000).optional(),
});

/** One VM to migrate. See docs/spec.md for the reference with examples. */
export const migrationSpec = z
  .strictObject({
    /** Name of the libvirt domain; for images the first disk's file name, for archives the file's, when left out. */
    name: vmName,
    source: z.discriminatedUnion('kind', [imageSource, archiveSource, azureSource]),
    guest: guestOptions.prefault({}),
    target: targetOptions.prefault({}),
    policy: policyOptions.prefault({}),
  })
  .check((ctx) => {
    // Of other sources the cards are known when the source was asked.
    const nics = 'nics' in ctx.value.source ? ctx.value.source.nics : undefined;
    for (const [index, { mac }] of (ctx.value.guest.addresses ?? []).entries()) {
      if (nics === undefined || nics.some((nic) => nic.mac === undefined || nic.mac === mac)) continue;
      const message = 'is none of the MAC addresses in source.nics';
      ctx.issues.push({ code: 'custom', input: mac, path: ['guest', 'addresses', index, 'mac'], message });
    }
    const { directory, pool, format, compression, host, labels } = ctx.value.target;
    const issue = (path: string[], message: string) =>
      ctx.issues.push({ code: 'custom', input: ctx.value, path, message });
    if (labels !== undefined && host !== 'any')
      issue(['target', 'labels'], `choose among hosts, and target.host names ${host}: give one of them`);
    if (directory !== undefined && pool !== undefined)
      issue(['target', 'pool'], 'give either directory or pool, not both');
    if (format === 'raw' && compression !== 'none')
      issue(['target', 'compression'], 'a raw disk cannot be compressed');
  });

/** A validated spec with every default filled in. */
export type MigrationSpec = z.output<typeof migrationSpec>;
/** What may be written: defaults left out. */
export type MigrationSpecInput = z.input<typeof migrationSpec>;
export type ImageSourceSpec = Extract<MigrationSpec['source'], { kind: 'image' }>;
export type ArchiveSourceSpec = Extract<MigrationSpec['source'], { kind: 'archive' }>;
export type AzureSourceSpec = Extract<MigrationSpec['source'], { kind: 'azure' }>;
/** How to log in to Azure, every secret by reference. */
export type AzureLogin = NonNullable<AzureSourceSpec['login']>;
export type SourceKind = MigrationSpec['source']['kind'];
export type SecretRef = z.output<typeof secretRef>;
export type ImageFormat = (typeof imageFormats)[number];
export type DiskBus = (typeof diskBuses)[number];
export type LuksKey = z.output<typeof luksKey>;
export type NicModel = (typeof nicModels)[number];
