/** A program Longhaul runs on a host, and the Debian package that has it. scripts/packages.sh installs the same. */
export interface HostTool {
  program: string;
  package: string;
  /** Oldest version that will do, and what for. */
  minimum?: string;
  because?: string;
  /** Needed by every migration; the others only by some. */
  always: boolean;
}

export const hostTools: readonly HostTool[] = [
  {
    program: 'qemu-img',
    package: 'qemu-utils',
    minimum: '6.0',
    because: 'earlier ones cannot state the format of a backing file',
    always: true,
  },
  {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    minimum: '6.0',
    because: 'it runs the migrated guests',
    always: true,
  },
  {
    program: 'virsh',
    package: 'libvirt-clients',
    minimum: '7.0',
    because: 'the domains need the schema of that libvirt',
    always: true,
  },
  { program: 'virt-xml-validate', package: 'libvirt-clients', always: true },
  { program: 'xmllint', package: 'libxml2-utils', always: true },
  { program: 'supermin', package: 'supermin', always: true },
  { program: 'setpriv', package: 'util-linux', always: true },
  { program: 'prlimit', package: 'util-linux', always: true },
  { program: 'flock', package: 'util-linux', always: false },
  { program: 'python3', package: 'python3', always: false },
  { program: 'xz', package: 'xz-utils', always: false },
  { program: 'zstd', package: 'zstd', always: false },
  { program: 'lz4', package: 'lz4', always: false },
  { program: 'bzip2', package: 'bzip2', always: false },
  // The appliance is made of the host's own programs: without these it opens no guest that needs them.
  { program: 'cryptsetup', package: 'cryptsetup-bin', always: false },
  { program: 'btrfs', package: 'btrfs-progs', always: false },
  { program: 'ntfs-3g', package: 'ntfs-3g', always: false },
  // Serves addresses on libvirt's default network.
  { program: 'dnsmasq', package: 'dnsmasq-base', always: false },
];
