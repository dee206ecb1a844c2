export interface FileSystemCheck {
  verdict: 'sound' | 'damaged' | 'unchecked';
  /** Words of the program, shortened. */
  said: string;
}

/**
 * The calls of libguestfs that Longhaul uses, guestfs(3). An implementation talks to one running appliance;
 * nothing of the guest touches the host kernel. Paths are guest paths, absolute, and are resolved inside the
 * guest by the appliance. Devices are appliance names (`/dev/sda1`, `/dev/vg/lv`, `/dev/mapper/x`).
 *
 * Every call throws LonghaulError GUESTFS_FAILED with libguestfs's own message, APPLIANCE_FAILED when the
 * appliance or its process is gone, TOOL_TIMEOUT after its time limit.
 */
export interface Guestfs {
  // devices and file systems
  listDevices(): Promise<string[]>;
  /** Device (or LV, MD, mapper device) to file system type; `unknown`, `swap`, `crypto_LUKS` included. */
  listFilesystems(): Promise<Map<string, string>>;
  listPartitions(): Promise<string[]>;
  vgs(): Promise<string[]>;
  lvs(): Promise<string[]>;
  /** LVM snapshots, each with what it is a snapshot of, both as `lvs` names them. */
  lvOrigins(): Promise<Map<string, string>>;
  /** Looks for LVM volumes again, after a container was opened. */
  lvmScan(activate: boolean): Promise<void>;
  listMdDevices(): Promise<string[]>;
  /** `gpt`, `msdos` ...; throws for a device without a partition table. */
  partGetPartType(device: string): Promise<string>;
  partGetGptType(device: string, partition: number): Promise<string>;
  partToDev(partition: string): Promise<string>;
  partToPartnum(partition: string): Promise<number>;
  vfsType(device: string): Promise<string>;
  vfsUuid(device: string): Promise<string>;
  vfsLabel(device: string): Promise<string>;
  /** blkid -p of a device: TYPE, UUID, PART_ENTRY_UUID ... */
  blkid(device: string): Promise<Map<string, string>>;
  blockdevGetSize64(device: string): Promise<number>;
  preadDevice(device: string, count: number, offset: number): Promise<Buffer>;
  btrfsSubvolumeList(device: string): Promise<{ id: number; path: string }[]>;
  btrfsSubvolumeGetDefault(mountpoint: string): Promise<number>;
  /**
   * Opens a LUKS1/LUKS2 container as /dev/mapper/`name`. The key is any bytes and goes through memory only.
   * Before, for keys that hold NUL or are larger than 1 MiB: nothing is mounted.
   */
  cryptsetupOpen(device: string, key: string | Uint8Array, name: string): Promise<void>;
  /** Opens a container by the Clevis pins it is bound to; only where `featureAvailable('clevisluks')`. */
  clevisUnlock(device: string, name: string): Promise<void>;
  /** Gives an opened container another name under /dev/mapper. Both are names, not paths. */
  renameMapped(name: string, newName: string): Promise<void>;
  cryptsetupClose(device: string): Promise<void>;
  luksUuid(device: string): Promise<string>;
  /** What mdadm(8) --detail --export says of an array: `uuid`, `name`, `level` ... */
  mdDetail(array: string): Promise<Map<string, string>>;
  /** Whether this libguestfs has a group of guestfs(3) "AVAILABILITY"; false for one it never heard of. */
  featureAvailable(group: string): Promise<boolean>;
  /**
   * Looks through a mounted file system without changing it, e2fsck(8) and xfs_repair(8) with -n. Before: it
   * is mounted read-only. Types without such a program are `unchecked`, and what takes longer than the limit.
   */
  checkFileSystem(mountpoint: string, fsType: string, limitSeconds: number): Promise<FileSystemCheck>;

  /** What the appliance's kernel has said so far, dmesg(1). */
  kernelLog(): Promise<string>;

  // mounting
  mount(device: string, mountpoint: string, options: string): Promise<void>;
  remount(mountpoint: string, writable: boolean): Promise<void>;
  /** Unmounts one mount point. */
  umount(mountpoint: string): Promise<void>;
  umountAll(): Promise<void>;
  statvfs(
    path: string,
  ): Promise<{ blockSize: number; blocksFree: number; blocks: number; filesFree: number; files: number }>;
  fstrim(mountpoint: string): Promise<void>;

  // files
  /** Does not follow a symbolic link at the end: one that leads nowhere exists. */
  exists(path: string): Promise<boolean>;
  /** Follows symbolic links inside the guest. */
  isFile(path: string): Promise<boolean>;
  isDir(path: string): Promise<boolean>;
  isSymlink(path: string): Promise<boolean>;
  readlink(path: string): Promise<string>;
  /** Absolute path with every symbolic link resolved, inside the guest. */
  realpath(path: string): Promise<string>;
  /** Names in a directory, sorted, without `.` and `..`. */
  ls(path: string): Promise<string[]>;
  glob(pattern: string): Promise<string[]>;
  stat(
    path: string,
  ): Promise<{ mode: number; uid: number; gid: number; sizeBytes: number; mtimeSeconds: number }>;
  /** Whole file in memory; refused with GUESTFS_FAILED above `maxBytes` (default 4 MiB). */
  readFile(path: string, maxBytes?: number): Promise<Buffer>;
  /** Part of a regular file, at most 2 MiB; shorter at its end. */
  readPart(path: string, count: number, offset: number): Promise<Buffer>;
  /** Copies a regular guest file to a host path that must not exist yet; refused above `maxBytes` (default 1 GiB). */
  download(path: string, hostPath: string, maxBytes?: number): Promise<void>;
  /** Writes a host file to a guest path, in place of what stands there; 0644 root. */
  upload(hostPath: string, path: string): Promise<void>;
  /** Copies a file within the guest; what stands at `to` is replaced. */
  copyFile(from: string, to: string): Promise<void>;
  /**
   * Writes a file in place of another, atomically by rename: same mode, owner and extended attributes when it
   * existed, else 0644 root. A symbolic link stays one; what it points to is replaced.
   */
  replaceFile(path: string, content: string | Uint8Array): Promise<void>;
  mkdirP(path: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  rmF(path: string): Promise<void>;
  /** Removes a directory with all that lies in it. */
  rmRf(path: string): Promise<void>;
  mv(from: string, to: string): Promise<void>;
  chmod(mode: number, path: string): Promise<void>;
  chown(uid: number, gid: number, path: string): Promise<void>;
  /** `security.selinux` of the file itself, not of what it links to; undefined when it has none. */
  selinuxLabel(path: string): Promise<string | undefined>;
  setSelinuxLabel(label: string, path: string): Promise<void>;

  // commands of the guest, chrooted in the appliance; no shell unless the caller names one
  command(argv: readonly string[], timeoutMs?: number): Promise<string>;

  sync(): Promise<void>;
}
