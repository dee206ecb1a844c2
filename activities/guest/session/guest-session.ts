import { open } from 'node:fs/promises';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { ApplianceProcess } from './appliance-process.ts';
import {
  checkFileSystem,
  lvOrigins,
  openWithKeyFile,
  passesAsText,
  renameMapped,
  type ApplianceCalls,
} from './appliance-tools.ts';
import type { Arguments, CallName, Options, Returned } from './calls.ts';
import type { Guestfs } from './guestfs.ts';

/** Wall-clock limits in milliseconds: for starting the appliance, for a call, for a command of the guest. */
export interface TimeLimits {
  launchMs: number;
  callMs: number;
  commandMs: number;
}

/** inode(7). */
const fileTypeMask = 0o170000;
const regularFile = 0o100000;
const heartbeatMs = 5_000;
const defaultMaxReadBytes = 4 * 1024 * 1024;
const defaultMaxDownloadBytes = 1024 * 1024 * 1024;
/** libguestfs messages hold at most 4 MiB, guestfs(3) "PROTOCOL LIMITS". */
const chunkBytes = 2 * 1024 * 1024;
const selinuxAttribute = 'security.selinux';

/** A running appliance with its disks. Made by `openSession`; `close` it, whatever happened. */
export class GuestSession implements Guestfs {
  /** Seconds from start to the first possible call. */
  readonly launchSeconds: number;
  /** A directory libguestfs made outside its temporary directory; removed by `close`, left by a kill. */
  readonly socketDirectory: string | undefined;
  private readonly process: ApplianceProcess;
  private readonly limits: TimeLimits;
  private io: StepIo;
  private devices: Promise<string[]> | undefined;
  private doing = 'working in the guest';
  /** For what libguestfs has no call of its own. */
  private readonly shell: ApplianceCalls = (name, args, limitMs) => this.call(name, args, {}, limitMs);

  constructor(process: ApplianceProcess, limits: TimeLimits, io: StepIo, launchSeconds: number) {
    this.process = process;
    this.limits = limits;
    this.io = io;
    this.launchSeconds = launchSeconds;
    this.socketDirectory = process.socketDirectory;
  }

  /** False once the appliance's process ended; every further call fails. */
  get alive(): boolean {
    return this.process.alive;
  }

  /** Hands the session to the next step: its signal ends calls from now on, its heartbeats are sent. */
  attach(io: StepIo): void {
    this.io = io;
  }

  /** Says what is going on; repeated as a heartbeat while a call takes long. */
  report(doing: string): void {
    this.doing = doing;
    this.io.report(doing);
  }

  /** Flushes and ends the appliance; never throws. Idempotent. */
  async close(): Promise<void> {
    if (this.alive) {
      const limits = { limitMs: this.limits.callMs, signal: new AbortController().signal };
      await this.process.call('shutdown', [], limits).catch((error: unknown) => {
        this.io.log.warn({ err: error }, 'the appliance did not shut down cleanly');
      });
    }
    await this.process.close();
  }

  /** Asked once: disks neither come nor go. */
  listDevices = () => (this.devices ??= this.call('list_devices', []));
  listFilesystems = async () => new Map(await this.call('list_filesystems', []));
  listPartitions = () => this.call('list_partitions', []);
  vgs = () => this.call('vgs', []);
  lvs = () => this.call('lvs', []);
  lvmScan = (activate: boolean) => this.call('lvm_scan', [activate]);
  listMdDevices = () => this.call('list_md_devices', []);
  partGetPartType = (device: string) => this.call('part_get_parttype', [device]);
  partGetGptType = (device: string, partition: number) => this.call('part_get_gpt_type', [device, partition]);
  partToDev = (partition: string) => this.call('part_to_dev', [partition]);
  partToPartnum = (partition: string) => this.call('part_to_partnum', [partition]);
  vfsType = (device: string) => this.call('vfs_type', [device]);
  vfsUuid = (device: string) => this.call('vfs_uuid', [device]);
  vfsLabel = (device: string) => this.call('vfs_label', [device]);
  blkid = async (device: string) => new Map(await this.call('blkid', [device]));
  blockdevGetSize64 = (device: string) => this.call('blockdev_getsize64', [device]);
  preadDevice = async (device: string, count: number, offset: number) =>
    Buffer.from(await this.call('pread_device', [device, count, offset]));
  btrfsSubvolumeList = (device: string) => this.call('btrfs_subvolume_list', [device]);
  btrfsSubvolumeGetDefault = (mountpoint: string) => this.call('btrfs_subvolume_get_default', [mountpoint]);
  cryptsetupClose = (device: string) => this.call('cryptsetup_close', [device]);
  luksUuid = (device: string) => this.call('luks_uuid', [device]);
  clevisUnlock = (device: string, name: string) => this.call('clevis_luks_unlock', [device, name]);
  mdDetail = async (array: string) => new Map(await this.call('md_detail', [array]));
  remount = (mountpoint: string, writable: boolean) => this.call('remount', [mountpoint], { rw: writable });
  umount = (mountpoint: string) => this.call('umount', [mountpoint]);
  umountAll = () => this.call('umount_all', []);
  fstrim = (mountpoint: string) => this.call('fstrim', [mountpoint]);
  exists = (path: string) => this.call('exists', [path]);
  isFile = (path: string) => this.call('is_file_opts', [path], { followsymlinks: true });
  isDir = (path: string) => this.call('is_dir_opts', [path], { followsymlinks: true });
  isSymlink = (path: string) => this.call('is_symlink', [path]);
  readlink = (path: string) => this.call('readlink', [path]);
  realpath = (path: string) => this.call('realpath', [path]);
  ls = (path: string) => this.call('ls', [path]);
  glob = async (pattern: string) => {
    // libguestfs wants a slash in front, also of alternatives that all have one.
    const paths = await this.call('glob_expand', [pattern.startsWith('{') ? `/${pattern}` : pattern]);
    return paths.map((path) => path.replace(/^\/\//, '/'));
  };
  mkdirP = (path: string) => this.call('mkdir_p', [path]);
  symlink = (target: string, path: string) => this.call('ln_s', [target, path]);
  upload = (hostPath: string, path: string) => this.call('upload', [hostPath, path]);
  copyFile = (from: string, to: string) => this.call('cp', [from, to]);
  rmRf = (path: string) => this.call('rm_rf', [path]);
  rmF = (path: string) => this.call('rm_f', [path]);
  mv = (from: string, to: string) => this.call('mv', [from, to]);
  chmod = (mode: number, path: string) => this.call('chmod', [mode, path]);
  chown = (uid: number, gid: number, path: string) => this.call('chown', [uid, gid, path]);
  setSelinuxLabel = (label: string, path: string) =>
    this.call('lsetxattr', [selinuxAttribute, label, Buffer.byteLength(label), path]);
  sync = () => this.call('sync', []);

  async selinuxLabel(path: string): Promise<string | undefined> {
    try {
      const label = Buffer.from(await this.call('lgetxattr', [path, selinuxAttribute])).toString('latin1');
      return label.replace(/\0+$/, '');
    } catch (error) {
      if (!(error instanceof LonghaulError) || error.code !== 'GUESTFS_FAILED') throw error;
      return undefined;
    }
  }

  mount(device: string, mountpoint: string, options: string): Promise<undefined> {
    return this.call('mount_options', [options, device, mountpoint]);
  }

  async cryptsetupOpen(device: string, key: string | Uint8Array, name: string): Promise<void> {
    const bytes = typeof key === 'string' ? Buffer.from(key) : key;
    if (passesAsText(bytes)) await this.call('cryptsetup_open', [device, bytes, name]);
    else await openWithKeyFile(this.shell, device, bytes, name);
  }

  async featureAvailable(group: string): Promise<boolean> {
    try {
      return await this.call('feature_available', [[group]]);
    } catch (error) {
      // A group that this libguestfs never heard of is an error to it.
      if (error instanceof LonghaulError && error.code === 'GUESTFS_FAILED') return false;
      throw error;
    }
  }

  kernelLog = () => this.call('dmesg', []);
  lvOrigins = () => lvOrigins(this.shell);
  renameMapped = (name: string, newName: string) => renameMapped(this.shell, name, newName);
  checkFileSystem = (mountpoint: string, fsType: string, limitSeconds: number) =>
    checkFileSystem(this.shell, { mountpoint, fsType, limitSeconds });

  async statvfs(path: string) {
    const { bsize, blocks, bavail, files, favail } = await this.call('statvfs', [path]);
    return { blockSize: bsize, blocksFree: bavail, blocks, filesFree: favail, files };
  }

  async stat(path: string) {
    const { size, ...rest } = await this.call('statns', [path]);
    return { ...rest, sizeBytes: size };
  }

  async readFile(path: string, maxBytes = defaultMaxReadBytes): Promise<Buffer> {
    const sizeBytes = await this.regularFileSize(path, maxBytes);
    const chunks: Uint8Array[] = [];
    // `pread` answers in one message; `read_file` and `download` stream, and take 100 times as long to start.
    for (let offset = 0; offset < sizeBytes; offset += chunkBytes) {
      chunks.push(await this.call('pread', [path, Math.min(chunkBytes, sizeBytes - offset), offset]));
    }
    return Buffer.concat(chunks);
  }

  async readPart(path: string, count: number, offset: number): Promise<Buffer> {
    if (!(await this.isFile(path))) throw refused(`${path} does not exist or is not a regular file`);
    return Buffer.from(await this.call('pread', [path, Math.min(count, chunkBytes), offset]));
  }

  async download(path: string, hostPath: string, maxBytes = defaultMaxDownloadBytes): Promise<void> {
    await this.regularFileSize(path, maxBytes);
    await (await open(hostPath, 'wx', 0o600)).close();
    await this.call('download', [path, hostPath]);
  }

  async replaceFile(path: string, content: string | Uint8Array): Promise<void> {
    const target = (await this.isSymlink(path))
      ? await this.realpath(path)
      : await this.inRealDirectory(path);
    const fresh = `${target}.longhaul-new`;
    const bytes = Buffer.from(content);
    try {
      await this.writeBeside(target, fresh, bytes);
      await this.mv(fresh, target);
    } catch (error) {
      if (this.alive) await this.rmF(fresh).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Some calls run within the guest's tree and some on its path in the appliance, where an absolute link leads
   * elsewhere: with its directory resolved a path means the same to all.
   */
  private async inRealDirectory(path: string): Promise<string> {
    const at = path.lastIndexOf('/');
    const directory = path.slice(0, at);
    if (directory === '') return path;
    const real = await this.realpath(directory);
    return `${real === '/' ? '' : real}${path.slice(at)}`;
  }

  private async writeBeside(target: string, fresh: string, bytes: Buffer): Promise<void> {
    // Away with what a killed run, or the guest, left under that name: writing would follow a link.
    await this.rmF(fresh);
    await this.call('write', [fresh, bytes.subarray(0, chunkBytes)]);
    for (let offset = chunkBytes; offset < bytes.length; offset += chunkBytes) {
      await this.call('write_append', [fresh, bytes.subarray(offset, offset + chunkBytes)]);
    }
    if (await this.exists(target)) await this.copyAttributes(target, fresh);
    else await this.chmod(0o644, fresh);
  }

  command(argv: readonly string[], timeoutMs = this.limits.commandMs): Promise<string> {
    return this.call('command', [argv], {}, timeoutMs);
  }

  /** Mode, owner and extended attributes (the SELinux label is one); without the latter on file systems that have none. */
  private async copyAttributes(from: string, to: string): Promise<void> {
    try {
      await this.call('copy_attributes', [from, to], { all: true });
    } catch (error) {
      if (!(error instanceof LonghaulError) || error.code !== 'GUESTFS_FAILED') throw error;
      await this.call('copy_attributes', [from, to], { mode: true, ownership: true });
    }
  }

  private async regularFileSize(path: string, maxBytes: number): Promise<number> {
    const { mode, size: sizeBytes } = await this.call('statns', [path]);
    if ((mode & fileTypeMask) !== regularFile) throw refused(`${path} is not a regular file`);
    if (sizeBytes > maxBytes)
      throw refused(`${path} has ${sizeBytes} bytes, more than the ${maxBytes} allowed`);
    return sizeBytes;
  }

  private async call<Name extends CallName>(
    name: Name,
    args: Arguments<Name>,
    options: Options = {},
    limitMs = this.limits.callMs,
  ): Promise<Returned<Name>> {
    const heartbeat = setInterval(() => this.io.report(this.doing), heartbeatMs);
    try {
      return await this.process.call(name, args, { limitMs, signal: this.io.signal }, options);
    } finally {
      clearInterval(heartbeat);
    }
  }
}

function refused(found: string): LonghaulError {
  return new LonghaulError('GUESTFS_FAILED', {
    found,
    remedy: 'Look at that file in the guest; Longhaul reads only regular files of sane size.',
  });
}
