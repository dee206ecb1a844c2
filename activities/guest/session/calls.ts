/**
 * Every C function of libguestfs that Longhaul calls, guestfs(3): its arguments, its optional arguments with
 * their numbers (GUESTFS_<CALL>_<OPTION>), and what it returns. One row is enough to use a further call; the
 * child process builds the C prototype and the conversions from it, callers get their types from it.
 */

/** `bytes` is a pointer and its length; `key` the same without length, for secrets: bytes, NUL-terminated. */
type ArgumentKind = 'string' | 'bool' | 'int' | 'int64' | 'strings' | 'bytes' | 'key';
type ReturnKind =
  | 'nothing'
  | 'bool'
  | 'int'
  | 'int64'
  | 'string'
  | 'strings'
  | 'hash'
  | 'bytes'
  | 'statns'
  | 'statvfs'
  | 'subvolumes';

export interface CallShape {
  args: readonly ArgumentKind[];
  returns: ReturnKind;
  options?: Readonly<Record<string, { id: number; kind: 'string' | 'bool' }>>;
}

export const calls = {
  // before launch
  set_backend: { args: ['string'], returns: 'nothing' },
  set_backend_setting: { args: ['string', 'string'], returns: 'nothing' },
  set_tmpdir: { args: ['string'], returns: 'nothing' },
  set_memsize: { args: ['int'], returns: 'nothing' },
  set_network: { args: ['bool'], returns: 'nothing' },
  add_drive_opts: {
    args: ['string'],
    returns: 'nothing',
    options: {
      readonly: { id: 0, kind: 'bool' },
      format: { id: 1, kind: 'string' },
      cachemode: { id: 9, kind: 'string' },
      discard: { id: 10, kind: 'string' },
    },
  },
  launch: { args: [], returns: 'nothing' },
  shutdown: { args: [], returns: 'nothing' },

  // devices and file systems
  list_devices: { args: [], returns: 'strings' },
  list_partitions: { args: [], returns: 'strings' },
  list_filesystems: { args: [], returns: 'hash' },
  list_md_devices: { args: [], returns: 'strings' },
  vgs: { args: [], returns: 'strings' },
  lvs: { args: [], returns: 'strings' },
  lvm_scan: { args: ['bool'], returns: 'nothing' },
  part_get_parttype: { args: ['string'], returns: 'string' },
  part_get_gpt_type: { args: ['string', 'int'], returns: 'string' },
  part_to_dev: { args: ['string'], returns: 'string' },
  part_to_partnum: { args: ['string'], returns: 'int' },
  vfs_type: { args: ['string'], returns: 'string' },
  vfs_uuid: { args: ['string'], returns: 'string' },
  vfs_label: { args: ['string'], returns: 'string' },
  blkid: { args: ['string'], returns: 'hash' },
  blockdev_getsize64: { args: ['string'], returns: 'int64' },
  pread_device: { args: ['string', 'int', 'int64'], returns: 'bytes' },
  btrfs_subvolume_list: { args: ['string'], returns: 'subvolumes' },
  btrfs_subvolume_get_default: { args: ['string'], returns: 'int64' },
  cryptsetup_open: { args: ['string', 'key', 'string'], returns: 'nothing', options: {} },
  cryptsetup_close: { args: ['string'], returns: 'nothing' },
  luks_uuid: { args: ['string'], returns: 'string' },
  md_detail: { args: ['string'], returns: 'hash' },
  feature_available: { args: ['strings'], returns: 'bool' },
  /** Since libguestfs 1.50; asked for only where the feature `clevisluks` is there. */
  clevis_luks_unlock: { args: ['string', 'string'], returns: 'nothing' },
  /** A shell in the appliance, outside the guest; the text is made here, nothing of a guest goes into it. */
  debug: { args: ['string', 'strings'], returns: 'string' },
  dmesg: { args: [], returns: 'string' },

  // mounting
  mount_options: { args: ['string', 'string', 'string'], returns: 'nothing' },
  mount_vfs: { args: ['string', 'string', 'string', 'string'], returns: 'nothing' },
  remount: { args: ['string'], returns: 'nothing', options: { rw: { id: 0, kind: 'bool' } } },
  umount: { args: ['string'], returns: 'nothing', options: {} },
  umount_all: { args: [], returns: 'nothing' },
  statvfs: { args: ['string'], returns: 'statvfs' },
  fstrim: { args: ['string'], returns: 'nothing', options: {} },

  // files
  exists: { args: ['string'], returns: 'bool' },
  is_file_opts: {
    args: ['string'],
    returns: 'bool',
    options: { followsymlinks: { id: 0, kind: 'bool' } },
  },
  is_dir_opts: {
    args: ['string'],
    returns: 'bool',
    options: { followsymlinks: { id: 0, kind: 'bool' } },
  },
  is_symlink: { args: ['string'], returns: 'bool' },
  readlink: { args: ['string'], returns: 'string' },
  realpath: { args: ['string'], returns: 'string' },
  ls: { args: ['string'], returns: 'strings' },
  glob_expand: { args: ['string'], returns: 'strings' },
  statns: { args: ['string'], returns: 'statns' },
  filesize: { args: ['string'], returns: 'int64' },
  pread: { args: ['string', 'int', 'int64'], returns: 'bytes' },
  download: { args: ['string', 'string'], returns: 'nothing' },
  upload: { args: ['string', 'string'], returns: 'nothing' },
  cp: { args: ['string', 'string'], returns: 'nothing' },
  write: { args: ['string', 'bytes'], returns: 'nothing' },
  write_append: { args: ['string', 'bytes'], returns: 'nothing' },
  mkdir_p: { args: ['string'], returns: 'nothing' },
  ln_s: { args: ['string', 'string'], returns: 'nothing' },
  rm_rf: { args: ['string'], returns: 'nothing' },
  rm_f: { args: ['string'], returns: 'nothing' },
  mv: { args: ['string', 'string'], returns: 'nothing' },
  chmod: { args: ['int', 'string'], returns: 'nothing' },
  chown: { args: ['int', 'int', 'string'], returns: 'nothing' },
  copy_attributes: {
    args: ['string', 'string'],
    returns: 'nothing',
    options: {
      all: { id: 0, kind: 'bool' },
      mode: { id: 1, kind: 'bool' },
      ownership: { id: 3, kind: 'bool' },
    },
  },
  lgetxattr: { args: ['string', 'string'], returns: 'bytes' },
  lsetxattr: { args: ['string', 'string', 'int', 'string'], returns: 'nothing' },
  command: { args: ['strings'], returns: 'string' },
  sync: { args: [], returns: 'nothing' },
} as const satisfies Record<string, CallShape>;

export type CallName = keyof typeof calls;

/** `struct guestfs_statns`, the fields of use. */
export interface StatNs {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSeconds: number;
}

/** `struct guestfs_statvfs`, the fields of use; `bsize` in bytes, the others counts. */
export interface StatVfs {
  bsize: number;
  blocks: number;
  bavail: number;
  files: number;
  favail: number;
}

interface ArgumentTypes {
  string: string;
  bool: boolean;
  int: number;
  int64: number;
  strings: readonly string[];
  bytes: Uint8Array;
  key: Uint8Array;
}

export interface ReturnTypes {
  nothing: undefined;
  bool: boolean;
  int: number;
  int64: number;
  string: string;
  strings: string[];
  hash: [string, string][];
  bytes: Uint8Array;
  statns: StatNs;
  statvfs: StatVfs;
  subvolumes: { id: number; path: string }[];
}

type TypesOf<Kinds extends readonly ArgumentKind[]> = { [Index in keyof Kinds]: ArgumentTypes[Kinds[Index]] };
export type Arguments<Name extends CallName> = TypesOf<(typeof calls)[Name]['args']>;
export type Returned<Name extends CallName> = ReturnTypes[(typeof calls)[Name]['returns']];
/** Values of optional arguments by name; those left out are not passed. */
export type Options = Readonly<Record<string, string | boolean>>;
