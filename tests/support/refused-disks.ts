import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { patch } from './guest-disks.ts';
import { ext4Disk, partition, run, writeLinuxTree, type LinuxTree } from './guest-trees.ts';

/** Disks of VMs that are refused, or that are migrated with a warning; made by the host's own programs. */

const MiB = 1024 * 1024;
const S1SUSPEND = Buffer.from('S1SUSPEND\0');

const systemWith = (tree: Partial<LinuxTree>) => (root: string) =>
  writeLinuxTree(root, { hostname: 'guest', fstab: ['/dev/sda / ext4 defaults 0 1'], ...tree });

/** File systems on whole disks, without a partition table. */
export const makers = {
  /** MBR, the root in a logical partition. */
  logical: async (path: string) => {
    await ext4Disk(path, systemWith({ hostname: 'logical', fstab: ['/dev/sda5 / ext4 defaults 0 1'] }), {
      offsetMiB: 2,
    });
    await partition(path, 'dos', ['start=2048, type=5', 'start=4096, type=83']);
  },
  hibernated: async (path: string) => {
    await ext4Disk(
      path,
      systemWith({ fstab: ['/dev/sda1 / ext4 defaults 0 1', '/dev/sda2 none swap sw 0 0'] }),
      { offsetMiB: 1 },
    );
    await run('truncate', ['-s', `${57 * MiB}`, path]);
    await partition(path, 'dos', ['start=2048, size=48MiB, type=83', 'start=100352, type=82']);
    await patch(path, 49 * MiB + 4086, S1SUSPEND);
  },
  swapFile: (path: string) => {
    const area = Buffer.alloc(16_384);
    S1SUSPEND.copy(area, 4086);
    const fstab = ['/dev/sda / ext4 defaults 0 1', '/swapfile none swap sw 0 0'];
    return ext4Disk(path, systemWith({ fstab, files: { swapfile: area } }));
  },
  bitlocker: async (path: string) => {
    await run('truncate', ['-s', '16M', path]);
    await partition(path, 'dos', ['start=2048, type=7, bootable']);
    await patch(path, MiB + 3, Buffer.from('-FVE-FS-'));
  },
  freebsd: async (path: string) => {
    await run('truncate', ['-s', '16M', path]);
    await partition(path, 'dos', ['start=2048, type=a5, bootable']);
    await patch(path, MiB, Buffer.from('boot blocks'));
  },
  /** Random bytes: neither blank nor anything known. */
  noise: (path: string) => writeFile(path, randomBytes(4 * MiB)),
  full: (path: string) =>
    ext4Disk(path, systemWith({ files: { 'var/log/huge': Buffer.alloc(34 * MiB, 'x') } }), { sizeMiB: 48 }),
  fewInodes: (path: string) => ext4Disk(path, systemWith({}), { inodes: 112 }),
  bootFull: (path: string) =>
    ext4Disk(
      path,
      systemWith({
        initramfs: ['ata_piix'],
        files: {
          'boot/initrd.img-6.1.0-18-amd64': randomBytes(6 * MiB),
          'var/log/huge': Buffer.alloc(14 * MiB, 'x'),
        },
      }),
    ),
  readOnly: async (path: string) => {
    await ext4Disk(path, systemWith({ hostname: 'sealed' }));
    await run('tune2fs', ['-O', 'read-only', path]);
  },
  /** Mounts without complaint; a directory names an inode that is free. */
  damagedRoot: async (path: string) => {
    await ext4Disk(path, systemWith({ files: { 'srv/lost': 'x' } }));
    await run('debugfs', ['-w', '-R', 'clri /srv/lost', path]);
  },
  damagedData: async (path: string) => {
    await ext4Disk(path, (root) => writeFile(join(root, 'lost'), 'x'), { sizeMiB: 16, label: 'archive' });
    await run('debugfs', ['-w', '-R', 'clri /lost', path]);
  },
  besideDamagedData: (path: string) =>
    ext4Disk(
      path,
      systemWith({
        fstab: ['/dev/sda / ext4 defaults 0 1', 'LABEL=archive /srv ext4 defaults 0 2'],
        files: { 'srv/.keep': '' },
      }),
    ),
  /** qcow2 whose second data cluster lies nowhere: every read of it fails. */
  unreadable: async (path: string) => {
    const raw = `${path}.source`;
    await writeFile(raw, randomBytes(MiB));
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
    // Header, refcount table, refcount block, L1 table; then the L2 table, whose second entry becomes unaligned.
    await patch(path, 4 * 65_536 + 8, Buffer.from('8000000000060200', 'hex'));
  },
} satisfies Record<string, (path: string) => Promise<void>>;

export type RefusedDisk = keyof typeof makers;

export async function refusedDisks(dir: string): Promise<Record<RefusedDisk, string>> {
  const paths: Partial<Record<RefusedDisk, string>> = {};
  for (const [name, make] of Object.entries(makers)) {
    const path = join(dir, `${name}.${name === 'unreadable' ? 'qcow2' : 'raw'}`);
    await make(path);
    paths[name as RefusedDisk] = path;
  }
  return paths as Record<RefusedDisk, string>;
}
