import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { treeArchive } from './guest-disks.ts';
import { run } from './guest-trees.ts';

/** Guests on stacks of storage that only a kernel can put together; all made in one appliance. */

/** Bytes of a key file that no C string could hold, with a line end that belongs to it. */
export const binaryKey = Buffer.from('00ff0a3a2068656c6c6f0d0a', 'hex');
export const trickyPassphrase = 'one:two: "three"\nfour';

export const containers = {
  lvm: '10000000-0000-4000-8000-000000000001',
  root: '10000000-0000-4000-8000-000000000002',
  outer: '10000000-0000-4000-8000-000000000003',
  inner: '10000000-0000-4000-8000-000000000004',
  array: '10000000-0000-4000-8000-000000000005',
} as const;

const sizesMiB = {
  gpt: 400,
  lvmOnLuks: 200,
  luksOnLvm: 128,
  raid1: 120,
  raid2: 120,
  raid3: 120,
  raid4: 120,
  snapper: 200,
  dirtyExt4: 48,
  dirtyXfs: 320,
} as const;
export type StorageDisk = keyof typeof sizesMiB;
const order = Object.keys(sizesMiB) as StorageDisk[];
const letters = 'abcdefghijklmnop';
const dev = (disk: StorageDisk, partition = '') => `/dev/sd${letters[order.indexOf(disk)] ?? ''}${partition}`;

/** A second passphrase of every container, one that guestfish can read from a script. */
const builder = 'builder';
const sector = 512;
const lvmContainer = { start: 67_584, end: 407_551 };

/** A hundred and fifty commands, each of them a good part of a second under emulation. */
const buildLimitMs = 15 * 60_000;

/** Makes them in `dir`; gives each disk's path. */
export async function storageDisks(dir: string): Promise<Record<StorageDisk, string>> {
  const { paths, args } = await prepareStorage(dir);
  await run('guestfish', args, undefined, buildLimitMs);
  return paths;
}

/** Empty disks, the containers, and the arguments of the guestfish(1) that makes guests of them. */
async function prepareStorage(dir: string): Promise<{ paths: Record<StorageDisk, string>; args: string[] }> {
  const paths = Object.fromEntries(order.map((name) => [name, join(dir, `${name}.raw`)])) as Record<
    StorageDisk,
    string
  >;
  for (const name of order) await run('truncate', ['-s', `${sizesMiB[name]}M`, paths[name]]);
  const sources = await luksSources(dir);
  const script = join(dir, 'storage.fish');
  await writeFile(script, ['run', ...(await buildCommands(dir)), ''].join('\n'));
  const disks = [...order.map((name) => paths[name]), ...sources];
  const drives = disks.flatMap((path) => ['--format=raw', '-a', path]);
  return { paths, args: ['--keys-from-stdin', ...drives, '-f', script] };
}

/** Containers made on the host, where key derivation is not emulated; the appliance copies them into place. */
async function luksSources(dir: string): Promise<string[]> {
  const made: string[] = [];
  const keyFile = join(dir, 'luks.key');
  const make = async (
    name: keyof typeof containers,
    bytes: number,
    type: 'luks1' | 'luks2',
    key: string | Buffer,
  ) => {
    const path = join(dir, `${name}.luks`);
    await writeFile(keyFile, key);
    await run('truncate', ['-s', String(bytes), path]);
    const cheap =
      type === 'luks1'
        ? ['--pbkdf-force-iterations', '1000']
        : ['--pbkdf', 'argon2id', '--pbkdf-force-iterations', '4', '--pbkdf-memory', '32'];
    const size = type === 'luks1' ? [] : ['--luks2-keyslots-size', '1m'];
    const format = [
      'luksFormat',
      '--batch-mode',
      '--type',
      type,
      '--uuid',
      containers[name],
      ...size,
      ...cheap,
    ];
    await run('cryptsetup', [...format, path, '--key-file', '-'], builder);
    await run('cryptsetup', ['luksAddKey', ...cheap, '--key-file', '-', path, keyFile], builder);
    made.push(path);
  };
  const MiB = 1024 * 1024;
  await make('lvm', (lvmContainer.end - lvmContainer.start + 1) * sector, 'luks2', trickyPassphrase);
  await make('root', 64 * MiB, 'luks1', 'first');
  await make('outer', 44 * MiB, 'luks2', 'outer');
  await make('inner', 36 * MiB, 'luks2', binaryKey);
  await make('array', 16 * MiB, 'luks2', 'array');
  return made;
}

async function buildCommands(dir: string): Promise<string[]> {
  const source = (index: number) => `/dev/sd${letters[order.length + index] ?? ''}`;
  const tree = (hostname: string, fstab: string[], files: Record<string, string> = {}) =>
    treeArchive(dir, { hostname, fstab, files });
  const copy = (from: string, to: string) => `copy-device-to-device ${from} ${to} sparse:true`;
  // guestfish reads keys where it reads commands.
  const open = (device: string, name: string) => [`cryptsetup-open ${device} ${name}`, builder];
  const close = (name: string) => `cryptsetup-close /dev/mapper/${name}`;

  const gpt = await tree('gpt', [
    'LABEL=groot / xfs defaults 0 1',
    '/dev/sda2 /boot ext2 defaults 0 2',
    '/dev/sda1 /boot/efi vfat umask=0077 0 1',
    '/dev/disk/by-label/gusr /usr ext3 defaults 0 1',
    '/dev/nvme0n1p5 /var ext4 defaults 0 2',
    '/dev/xvda6 none swap sw 0 0',
    'tmpfs /tmp tmpfs defaults 0 0',
  ]);
  const lvmOnLuks = await tree(
    'lvm-on-luks',
    [
      '/dev/mapper/vgc-root / ext4 defaults 0 1',
      '/dev/sda1 /boot ext4 defaults 0 2',
      '/dev/mapper/vgc-swap none swap sw 0 0',
    ],
    { 'etc/crypttab': 'sda2_crypt /dev/sda2 none luks,discard\n' },
  );
  const luksOnLvm = await tree(
    'luks-on-lvm',
    ['/dev/mapper/root_crypt / ext4 defaults 0 1', '/dev/mapper/inner_crypt /srv ext4 defaults 0 2'],
    {
      'etc/crypttab': [
        '# name source key options',
        'root_crypt /dev/vg-b/root none luks',
        `outer_crypt UUID=${containers.outer} none luks`,
        `inner_crypt UUID="${containers.inner}" /etc/inner.key luks`,
        '',
      ].join('\n'),
      'srv/.keep': '',
    },
  );
  const raid = await tree(
    'raid',
    [
      '/dev/md0 / ext4 defaults 0 1',
      '/dev/md/five /srv xfs nofail 0 2',
      '/dev/md/ten /home ext4 defaults 0 2',
    ],
    { 'srv/.keep': '', 'home/.keep': '' },
  );
  const snapper = await tree(
    'snapper',
    [
      'LABEL=suse / btrfs defaults 0 0',
      'LABEL=suse /var btrfs subvol=/@/var 0 0',
      'LABEL=suse /home btrfs subvol=@/home 0 0',
    ],
    { 'home/.keep': '', 'var/.keep': '' },
  );
  const dirtyExt4 = await tree('before-the-crash', ['/dev/sda / ext4 defaults 0 1'], { 'mnt/.keep': '' });
  const dirtyXfs = await tree('before-the-crash-too', ['/dev/sda / xfs defaults 0 1']);

  const members = (partition: number) =>
    `"${(['raid1', 'raid2', 'raid3', 'raid4'] as const).map((disk) => dev(disk, String(partition))).join(' ')}"`;
  const pair = (partition: number) =>
    `"${dev('raid1', String(partition))} ${dev('raid2', String(partition))}"`;

  return [
    `part-init ${dev('gpt')} gpt`,
    ...[
      [2048, 34_815],
      [34_816, 67_583],
      [67_584, 722_943],
      [722_944, 755_711],
      [755_712, 788_479],
      [788_480, 804_863],
    ].map(([start = 0, end = 0]) => `part-add ${dev('gpt')} p ${start} ${end}`),
    `part-set-gpt-type ${dev('gpt')} 1 C12A7328-F81F-11D2-BA4B-00A0C93EC93B`,
    `mkfs vfat ${dev('gpt', '1')}`,
    `mkfs ext2 ${dev('gpt', '2')}`,
    `mkfs xfs ${dev('gpt', '3')} label:groot`,
    `mkfs ext3 ${dev('gpt', '4')} label:gusr`,
    `mkfs ext4 ${dev('gpt', '5')}`,
    `mkswap ${dev('gpt', '6')}`,
    `mount ${dev('gpt', '3')} /`,
    ...['boot', 'usr', 'var'].map((name) => `mkdir /${name}`),
    `mount ${dev('gpt', '2')} /boot`,
    `mount ${dev('gpt', '4')} /usr`,
    `mount ${dev('gpt', '5')} /var`,
    'mkdir /boot/efi',
    `mount ${dev('gpt', '1')} /boot/efi`,
    `tar-in ${gpt} /`,
    'mkdir-p /boot/efi/EFI/BOOT',
    'write /boot/efi/EFI/BOOT/BOOTX64.EFI MZ',
    'mv /etc/os-release /usr/lib/os-release',
    'ln-s ../usr/lib/os-release /etc/os-release',
    'umount-all',

    `part-init ${dev('lvmOnLuks')} mbr`,
    `part-add ${dev('lvmOnLuks')} p 2048 67583`,
    `part-add ${dev('lvmOnLuks')} p ${lvmContainer.start} ${lvmContainer.end}`,
    copy(source(0), dev('lvmOnLuks', '2')),
    ...open(dev('lvmOnLuks', '2'), 'c'),
    'pvcreate /dev/mapper/c',
    'vgcreate vgc /dev/mapper/c',
    'lvcreate root vgc 80',
    'lvcreate swap vgc 20',
    'mkfs ext4 /dev/vgc/root',
    'mkswap /dev/vgc/swap',
    `mkfs ext4 ${dev('lvmOnLuks', '1')}`,
    'mount /dev/vgc/root /',
    'mkdir /boot',
    `mount ${dev('lvmOnLuks', '1')} /boot`,
    `tar-in ${lvmOnLuks} /`,
    'umount-all',
    'vg-activate false vgc',
    close('c'),

    `part-init ${dev('luksOnLvm')} mbr`,
    `part-add ${dev('luksOnLvm')} p 2048 -2048`,
    `pvcreate ${dev('luksOnLvm', '1')}`,
    `vgcreate vg-b ${dev('luksOnLvm', '1')}`,
    'lvcreate root vg-b 64',
    'lvcreate data vg-b 44',
    copy(source(1), '/dev/vg-b/root'),
    ...open('/dev/vg-b/root', 'r'),
    'mkfs ext4 /dev/mapper/r',
    'mount /dev/mapper/r /',
    `tar-in ${luksOnLvm} /`,
    'umount-all',
    close('r'),
    copy(source(2), '/dev/vg-b/data'),
    ...open('/dev/vg-b/data', 'o'),
    copy(source(3), '/dev/mapper/o'),
    ...open('/dev/mapper/o', 'i'),
    'mkfs ext4 /dev/mapper/i',
    close('i'),
    close('o'),

    ...(['raid1', 'raid2', 'raid3', 'raid4'] as const).flatMap((disk) => [
      `part-init ${dev(disk)} gpt`,
      `part-add ${dev(disk)} p 2048 83967`,
      `part-add ${dev(disk)} p 83968 124927`,
      `part-add ${dev(disk)} p 124928 165887`,
      `part-add ${dev(disk)} p 165888 206847`,
    ]),
    `md-create 0 ${pair(1)} level:1`,
    `md-create five ${members(2)} level:5`,
    `md-create ten ${members(3)} level:10`,
    `md-create crypt ${pair(4)} level:1`,
    ...['0', 'five', 'ten'].map((name) => `mkfs ext4 /dev/md/${name}`),
    'mount /dev/md/0 /',
    `tar-in ${raid} /`,
    'umount-all',
    copy(source(4), '/dev/md/crypt'),

    `mkfs btrfs ${dev('snapper')} label:suse`,
    `mount ${dev('snapper')} /`,
    ...['/@', '/@/var', '/@/home', '/@/.snapshots'].map((path) => `btrfs-subvolume-create ${path}`),
    'mkdir /@/.snapshots/1',
    'mkdir /@/.snapshots/2',
    'btrfs-subvolume-create /@/.snapshots/1/snapshot',
    `tar-in ${snapper} /@/.snapshots/1/snapshot`,
    'btrfs-subvolume-snapshot /@/.snapshots/1/snapshot /@/.snapshots/2/snapshot',
    'write /@/.snapshots/2/snapshot/etc/hostname another',
    // Subvolumes are numbered from 256 in the order in which they are made.
    'btrfs-subvolume-set-default 260 /',
    'umount-all',

    `mkfs ext4 ${dev('dirtyExt4')}`,
    `mkfs xfs ${dev('dirtyXfs')}`,
    `mount ${dev('dirtyExt4')} /`,
    `tar-in ${dirtyExt4} /`,
    `mount ${dev('dirtyXfs')} /mnt`,
    `tar-in ${dirtyXfs} /mnt`,
    'umount-all',
    `mount ${dev('dirtyExt4')} /`,
    `mount ${dev('dirtyXfs')} /mnt`,
    'write /etc/replayed yes',
    'mv /etc/replayed /etc/hostname',
    'write /mnt/etc/replayed also',
    'mv /mnt/etc/replayed /mnt/etc/hostname',
    'sync',
    // As when the power goes: nothing is unmounted, and what is in the journals stays there.
    'get-pid | xargs kill -9',
  ];
}
