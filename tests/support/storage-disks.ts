import { chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedDir, guestCacheDir, recipeHash } from '../guests/lib/cache.ts';
import { run as runTool } from '../guests/lib/run.ts';
import { partition, run, writeLinuxTree, type LinuxTree } from './guest-trees.ts';

/** Guests on stacks of storage that only a kernel can put together; all made in one appliance, and kept. */

/** Bytes of a key file that no C string could hold, with a line end that belongs to it. */
export const binaryKey = Buffer.from('00ff0a3a2068656c6c6f0d0a', 'hex');
export const trickyPassphrase = 'one:two: "three"\nfour';

export const containers = {
  lvm: '10000000-0000-4000-8000-000000000001',
  root: '10000000-0000-4000-8000-000000000002',
  outer: '10000000-0000-4000-8000-000000000003',
  inner: '10000000-0000-4000-8000-000000000004',
  array: '10000000-0000-4000-8000-000000000005',
  swap: '10000000-0000-4000-8000-000000000006',
} as const;
const keys: Record<keyof typeof containers, string | Buffer> = {
  lvm: trickyPassphrase,
  root: 'first',
  outer: 'outer',
  inner: binaryKey,
  array: 'array',
  swap: 'swap',
};

interface Disk {
  sizeMiB: number;
  /** sfdisk(8); whole disks have none. */
  table?: readonly ['dos' | 'gpt', ...string[]];
}

const member: Disk = {
  sizeMiB: 104,
  table: ['gpt', 'start=2048, size=40MiB', 'size=20MiB', 'size=20MiB', 'size=20MiB'],
};
/** In the appliance a disk goes by its name, which is of letters only. XFS wants 300 MiB. */
const disks = {
  gpt: {
    sizeMiB: 400,
    table: [
      'gpt',
      'start=2048, size=16MiB, type=U',
      'size=16MiB',
      'size=320MiB',
      'size=16MiB',
      'size=16MiB',
      'size=8MiB',
    ],
  },
  lvmOnLuks: { sizeMiB: 150, table: ['dos', 'start=2048, size=32MiB', 'size=115MiB'] },
  luksOnLvm: { sizeMiB: 120, table: ['dos', 'start=2048'] },
  raidA: member,
  raidB: member,
  raidC: member,
  raidD: member,
  snapper: { sizeMiB: 200 },
  asleep: { sizeMiB: 48, table: ['dos', 'start=2048'] },
  asleepInLuks: { sizeMiB: 48, table: ['dos', 'start=2048, size=32MiB', 'size=12MiB'] },
  asleepWindows: { sizeMiB: 16, table: ['dos', 'start=2048, type=7, bootable'] },
  dirtyExt: { sizeMiB: 48 },
  dirtyXfs: { sizeMiB: 320 },
} as const satisfies Record<string, Disk>;
export type StorageDisk = keyof typeof disks;
const order = Object.keys(disks) as StorageDisk[];
const fileName = (disk: StorageDisk) => `${disk}.raw`;

const buildLimitMs = 15 * 60_000;
const script = join(import.meta.dirname, 'storage-disks.sh');

/** Files that only their owner may write, in the cache of guests; made there when they are not. */
export async function storageDisks(): Promise<Record<StorageDisk, string>> {
  const madeOf = [script, import.meta.filename, join(import.meta.dirname, 'guest-trees.ts')];
  const home = join(guestCacheDir(), `storage-${await recipeHash(madeOf, [])}`);
  await cachedDir(home, build);
  return Object.fromEntries(order.map((name) => [name, join(home, fileName(name))])) as Record<
    StorageDisk,
    string
  >;
}

async function build(dir: string): Promise<void> {
  for (const name of order) await makeDisk(join(dir, fileName(name)), disks[name]);
  const kit = join(dir, 'kit.tar');
  await packKit(join(dir, 'kit'), kit);
  const commands = [
    ...order.map((name) => `add-drive ${join(dir, fileName(name))} format:raw label:${name}`),
    `add-drive ${kit} format:raw readonly:true label:kit`,
    'run',
    'debug sh "tar -C /tmp -xf /dev/disk/guestfs/kit && sh /tmp/kit/build.sh"',
    // As when the power goes: nothing is unmounted, and what is in the journals stays there.
    'get-pid | xargs kill -9',
  ];
  const fish = join(dir, 'storage.fish');
  await writeFile(fish, [...commands, ''].join('\n'));
  const { stdout, stderr } = await runTool('guestfish', ['-f', fish], {
    env: { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' },
    wallMs: buildLimitMs,
    // It does not take the end of its appliance well.
    acceptExitCodes: [1],
  });
  if (!stdout.includes('all disks are made')) throw new Error(`guestfish: ${stderr}`);
  for (const path of [kit, fish]) await rm(path);
  for (const name of await readdir(dir)) {
    await run('fallocate', ['--dig-holes', join(dir, name)]);
    await chmod(join(dir, name), 0o444);
  }
}

async function makeDisk(path: string, { sizeMiB, table }: Disk): Promise<void> {
  await run('truncate', ['-s', `${sizeMiB}M`, path]);
  if (table === undefined) return;
  const [label, ...partitions] = table;
  await partition(path, label, partitions);
}

/** The script, and what it puts on the disks, as a tar archive to be read from a disk. */
async function packKit(kit: string, archive: string): Promise<void> {
  await mkdir(join(kit, 'keys'), { recursive: true });
  for (const [name, key] of Object.entries(keys)) await writeFile(join(kit, 'keys', name), key);
  for (const [name, tree] of Object.entries(trees)) await writeLinuxTree(join(kit, 'trees', name), tree);
  const uuids = Object.entries(containers).map(([name, uuid]) => `${name}_uuid=${uuid}\n`);
  await writeFile(join(kit, 'uuids.sh'), uuids.join(''));
  await cp(script, join(kit, 'build.sh'));
  await run('tar', ['-C', join(kit, '..'), '--owner=0', '--group=0', '-cf', archive, 'kit']);
  await rm(kit, { recursive: true });
}

const trees: Readonly<Record<string, LinuxTree>> = {
  gpt: {
    hostname: 'gpt',
    fstab: [
      'LABEL=groot / xfs defaults 0 1',
      '/dev/sda2 /boot ext2 defaults 0 2',
      '/dev/sda1 /boot/efi vfat umask=0077 0 1',
      '/dev/disk/by-label/gusr /usr ext3 defaults 0 1',
      '/dev/nvme0n1p5 /var ext4 defaults 0 2',
      '/dev/xvda6 none swap sw 0 0',
      'tmpfs /tmp tmpfs defaults 0 0',
    ],
  },
  'lvm-on-luks': {
    hostname: 'lvm-on-luks',
    fstab: [
      '/dev/mapper/vgc-root / ext4 defaults 0 1',
      '/dev/sda1 /boot ext4 defaults 0 2',
      '/dev/mapper/vgc-swap none swap sw 0 0',
    ],
    files: { 'etc/crypttab': 'sda2_crypt /dev/sda2 none luks,discard\n' },
  },
  'luks-on-lvm': {
    hostname: 'luks-on-lvm',
    fstab: ['/dev/mapper/root_crypt / ext4 defaults 0 1', '/dev/mapper/inner_crypt /srv ext4 defaults 0 2'],
    files: {
      'etc/crypttab': [
        '# name source key options',
        'root_crypt /dev/vg-b/root none luks',
        `outer_crypt UUID=${containers.outer} none luks`,
        `inner_crypt UUID="${containers.inner}" /etc/inner.key luks`,
        '',
      ].join('\n'),
      'srv/.keep': '',
    },
  },
  raid: {
    hostname: 'raid',
    fstab: [
      '/dev/md0 / ext4 defaults 0 1',
      '/dev/md/five /srv xfs nofail 0 2',
      '/dev/md/ten /home ext4 defaults 0 2',
    ],
    files: { 'srv/.keep': '', 'home/.keep': '' },
  },
  snapper: {
    hostname: 'snapper',
    fstab: [
      'LABEL=suse / btrfs defaults 0 0',
      'LABEL=suse /var btrfs subvol=/@/var 0 0',
      'LABEL=suse /home btrfs subvol=@/home 0 0',
    ],
    files: { 'home/.keep': '', 'var/.keep': '' },
  },
  asleep: {
    hostname: 'asleep',
    fstab: ['/dev/mapper/vg--s-root / ext4 defaults 0 1', '/dev/vg-s/swap none swap sw 0 0'],
  },
  'asleep-in-luks': {
    hostname: 'asleep-in-luks',
    fstab: ['/dev/sda1 / ext4 defaults 0 1', '/dev/mapper/swap_crypt none swap sw 0 0'],
    files: { 'etc/crypttab': 'swap_crypt /dev/sda2 none luks,swap\n' },
  },
  'dirty-ext4': { hostname: 'before-the-crash', fstab: ['/dev/sda / ext4 defaults 0 1'] },
  'dirty-xfs': { hostname: 'before-the-crash-too', fstab: ['/dev/sda / xfs defaults 0 1'] },
};
