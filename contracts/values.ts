import type { GateNeed } from './gates.ts';
import type { DiskBus, ImageFormat, NicModel } from './spec.ts';

/**
 * The facts that flow from step to step. Plain JSON and small: they live in workflow history. Bytes, page
 * maps and secrets never do. Sizes are in bytes unless the name says otherwise, times in ISO 8601 UTC.
 */

/**
 * One run of one migration. `runId` is the first execution's, so that it survives a reset; with a number behind it once
 * the migration was given to another host, see contracts/runs.ts.
 */
export interface RunRef {
  migrationId: string;
  runId: string;
}

export type Firmware = 'bios' | 'uefi';
export type Accelerator = 'kvm' | 'tcg';

/** A VM as its source describes it. */
export interface SourceVm {
  name: string;
  cpus?: number;
  memoryMiB?: number;
  firmware?: Firmware;
  nics: SourceNic[];
  /** Whether it ran when it was looked at. */
  running?: boolean;
}

export interface SourceNic {
  /** Lower-case, colon-separated; always present, generated when the source does not know it. */
  mac: string;
  network: string;
  /** Addresses the source gave it, without prefix. */
  addresses?: string[];
}

/**
 * One file of an image and what lies below it. `path` is absolute and resolved; every path in the tree was
 * checked to lie inside the source's directory.
 */
export interface ImageNode {
  path: string;
  /** Of an image that lies inside `path`; it has no extents and no backing. */
  window?: ImageWindow;
  format: ImageFormat;
  virtualSizeBytes: number;
  /** Other files of this layer that hold data (VMDK extents), absolute. */
  extents: string[];
  /** The parent of a snapshot overlay. */
  backing?: ImageNode;
}

/** A whole image within a larger file, such as a member of an uncompressed archive. */
export interface ImageWindow {
  /** The member's name, for people. */
  name: string;
  offset: number;
  sizeBytes: number;
}

/** Identity of a source file, to notice a change between steps. */
export interface FileIdentity {
  path: string;
  sizeBytes: number;
  mtimeNs: string;
  inode: string;
}

/** As a manifest states it; `hex` in lower case. */
export interface ContentDigest {
  algorithm: 'sha1' | 'sha256' | 'sha512';
  hex: string;
}

/** A disk that lies on the host, complete, read-only from now on. `index` counts from 0 in guest order. */
export interface AcquiredDisk {
  index: number;
  image: ImageNode;
  virtualSizeBytes: number;
  /** Bytes the chain holds data for: what a sparse copy has to write. */
  allocatedBytes: number;
  files: FileIdentity[];
  /** What the bytes of the image's file or window have to give; they are compared as they are copied. */
  digest?: ContentDigest;
  /** Of a disk that was fetched. */
  transfer?: DiskTransfer;
  /** What could not be known before it was here. */
  findings?: Finding[];
}

/** How a disk came to the host. */
export interface DiskTransfer {
  /** Where from, as people know it: an address without its query, the name of a snapshot. */
  from: string;
  /** Tells its bytes from any others: see `RangeSource.identity`. */
  identity: string;
  /** Bytes in its extents, all of which lie in the file. */
  dataBytes: number;
  /** Bytes that came over the wire in the attempt that finished it. */
  fetchedBytes: number;
  /** Over offset, length and SHA-256 of every chunk, in hexadecimal; see activities/transfer/journal.ts. */
  sha256: string;
  seconds: number;
}

/** A disk that is still to be fetched. */
export interface RemoteDisk {
  index: number;
  /** Without anything secret. */
  name: string;
  /** What the source knows it by, where that is not the name: a resource id. */
  id?: string;
  virtualSizeBytes: number;
  /** Bytes that will be fetched, where the source tells beforehand. */
  dataBytes?: number;
}

export interface Kernel {
  version: string;
  path: string;
  /** Path of its initramfs, when there is one. */
  initramfs?: string;
  /** Has a boot entry or the usual files in /boot, and its modules in /lib/modules. */
  bootable: boolean;
  /** Virtio drivers the kernel can load before the root file system is mounted: built in or in the initramfs. */
  virtio: { blk: boolean; scsi: boolean; net: boolean; pci: boolean };
}

export interface Mountpoint {
  path: string;
  device: string;
  fsType: string;
  uuid?: string;
}

/** What the inspector saw; never a change. */
export interface GuestFacts {
  /** `none`: disks without an operating system, passed through. */
  os: 'linux' | 'none';
  /** For example { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' }. */
  distro?: { id: string; versionId: string; prettyName: string };
  arch?: string;
  hostname?: string;
  root?: { device: string; fsType: string; uuid?: string };
  firmware: Firmware;
  bootloader?: 'grub2' | 'grub-legacy' | 'systemd-boot' | 'extlinux' | 'unknown';
  mountpoints: Mountpoint[];
  kernels: Kernel[];
  initramfsTool?: 'initramfs-tools' | 'dracut' | 'mkinitcpio' | 'none';
  /** Things an operator should know, each one sentence. */
  warnings: string[];
  /** Seconds the appliance took to start, and the inspection after it. */
  timings: { launchSeconds: number; inspectSeconds: number };
}

/** An address the guest's configuration sets at boot, and the cards on which it is to be seen. */
export interface ConfiguredAddress {
  /** Cards of the VM: one, or those below the bridge, bond or VLAN that has the address. */
  macs: string[];
  /** As the configuration calls it: a name, a MAC. */
  interface: string;
  method: 'static' | 'dhcp';
  /** `10.0.0.5/24`, `2001:db8::5/64`; of static ones only. */
  address?: string;
}

export interface FixChange {
  /** Path in the guest, or a noun such as `initramfs`. */
  path: string;
  /** One sentence: what changes. */
  what: string;
  before?: string;
  after?: string;
}

/** What one fix did, or in a plan would do. `changes` empty: nothing to do. */
export interface FixOutcome {
  fix: string;
  title: string;
  changes: FixChange[];
  warnings: string[];
  seconds: number;
  /** Addresses the guest is to come up with, as far as this fix knows; those of a later fix count. */
  addresses?: ConfiguredAddress[];
}

/** A finished disk under its final name. */
export interface TargetDisk {
  index: number;
  path: string;
  format: 'qcow2' | 'raw';
  virtualSizeBytes: number;
  /** Bytes the file occupies on the target file system. */
  allocatedBytes: number;
  /** Source bytes that held data. */
  dataBytes: number;
  seconds: number;
  /** True when the disk was read back and compared with its source. */
  verified: boolean;
}

export interface DomainNic {
  mac: string;
  model: NicModel;
  /** libvirt network name, or `bridge:NAME`. */
  target: string;
}

export interface DomainRef {
  name: string;
  uuid: string;
  uri: string;
  firmware: Firmware;
  accelerator: Accelerator;
  cpus: number;
  memoryMiB: number;
  nics: DomainNic[];
  diskBus?: DiskBus;
  /** What an operator should know of the choices made, each one sentence. */
  warnings?: string[];
}

/** An address of the source's configuration beside what was seen of it in the boot check. */
export interface AddressCheck extends ConfiguredAddress {
  /** All that was seen on its cards. */
  seen: string[];
  /**
   * `seen`: in use on its card; `answered`: the guest has it and nothing speaks against this card; `lease`: it
   * asked by DHCP and took what it was offered; `elsewhere`: in use on another card, `seenOn`.
   */
  verdict: 'seen' | 'answered' | 'lease' | 'elsewhere' | 'missing';
  seenOn?: string;
}

/** What proved that the guest came up. */
export interface BootProof {
  sign: 'login-prompt' | 'guest-agent' | 'systemd-target';
  /** The line or answer that was the sign. */
  evidence: string;
  seconds: number;
  accelerator: Accelerator;
  /** Addresses the guest was seen to use, by NIC. */
  addresses: { mac: string; address: string }[];
  /** What it was to have, and what became of it. */
  checks?: AddressCheck[];
  consoleLog: string;
  screenshot?: string;
}

/** One thing preflight found. `blocker` stops the migration before anything is created. */
export interface Finding {
  severity: 'blocker' | 'warning' | 'info';
  /** An ErrorCode for blockers, else a short kebab-case name. */
  code: string;
  found: string;
  remedy: string;
}

export interface PreflightResult {
  findings: Finding[];
  vm: SourceVm;
  /** Those that lie on the host already. */
  disks: AcquiredDisk[];
  /** Those that are fetched in `acquire`. */
  remoteDisks?: RemoteDisk[];
  /** Absolute directory of the target disks, the pool resolved. */
  targetDirectory: string;
  /** Limits of the host and of the directory, where somebody has set any. */
  targetGates?: GateNeed[];
  accelerator: Accelerator;
  /** Bytes the target may need at most, and has free. */
  space: { neededBytes: number; freeBytes: number };
}
