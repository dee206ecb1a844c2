import { mkdir, mkdtemp, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cachedDir, guestCacheDir, recipeHash } from '../guests/lib/cache.ts';
import { createDisk, MiB } from '../guests/lib/disk.ts';
import { makeVolumeGroup } from '../guests/lib/lvm.ts';
import { run } from '../guests/lib/run.ts';
import { entriesOf, writeEntries, type TreeEntry } from './files.ts';
import { setPvUuid } from './pv-uuid.ts';
import { manifestPath, readTree, treesDirectory, type Tree, type TreeFileSystem } from './tree.ts';

/** Disks of trees, made once for each manifest; raw, sparse and read-only. */
export async function treeDisk(name: string): Promise<string> {
  const sources = ['tree.ts', 'initramfs.ts', 'files.ts', 'disk.ts', 'pv-uuid.ts'].map((file) =>
    join(treesDirectory, file),
  );
  const digest = await recipeHash([manifestPath(name), ...sources], []);
  const home = join(dirname(guestCacheDir()), 'trees', `${name}-${digest}`);
  await mkdir(dirname(home), { recursive: true });
  return join(await cachedDir(home, (dir) => buildDisk(join(dir, 'disk.raw'), readTree(name))), 'disk.raw');
}

/** Of paths in the guest those in a file system that is mounted somewhere, as they are in it. */
function pathsBelow(paths: readonly string[], at: string | undefined): string[] {
  const below = at === '/' ? '/' : `${at ?? ' '}/`;
  return paths.filter((path) => path.startsWith(below)).map((path) => path.slice(below.length - 1));
}

interface PlacedFileSystem extends TreeFileSystem {
  offsetBytes: number;
  sizeBytes: number;
  /** As the appliance calls it when the disk is its only one. */
  device: string;
}

async function buildDisk(disk: string, tree: Tree): Promise<void> {
  const placed = await layOut(disk, tree);
  const entries = entriesOf(tree);
  const mountpoints = placed.flatMap(({ at }) => (at === undefined ? [] : [at]));
  for (const fileSystem of placed) {
    const root = await mkdtemp(`${disk}.tree-`);
    if (fileSystem.at !== undefined)
      await writeEntries(root, entriesBelow(entries, fileSystem.at, mountpoints));
    const needed = fileSystem.at === '/' ? ['/dev', '/proc', '/sys', '/run', '/tmp', '/var/tmp'] : [];
    for (const at of [...needed, ...pathsBelow(mountpoints, fileSystem.at)])
      await mkdir(join(root, at), { recursive: true });
    await onLoop(disk, fileSystem, (device) => makeFileSystem(device, fileSystem, root));
    if (fileSystem.fs === 'btrfs') await fillBtrfs(disk, fileSystem, root);
    await rm(root, { recursive: true });
  }
}

async function layOut(disk: string, tree: Tree): Promise<PlacedFileSystem[]> {
  let startMiB = 1;
  const partitions = tree.partitions.map((partition, index) => {
    const place = { offsetBytes: startMiB * MiB, sizeBytes: partition.sizeMiB * MiB };
    startMiB += partition.sizeMiB;
    return { ...partition, ...place, device: `/dev/sda${partition.number ?? index + 1}` };
  });
  await createDisk(disk, {
    label: tree.table,
    id: tree.table === 'gpt' ? '7ee5d15c-0000-4000-8000-000000000000' : '0x7ee5d15c',
    sizeBytes: (startMiB + 1) * MiB,
    partitions: partitions.map(({ offsetBytes, type, bootable, number, partUuid, partName, ...rest }) => ({
      startBytes: offsetBytes,
      sizeBytes: rest.sizeBytes,
      type,
      ...(bootable === undefined ? {} : { bootable }),
      ...(number === undefined ? {} : { number }),
      ...(partUuid === undefined ? {} : { uuid: partUuid }),
      ...(partName === undefined ? {} : { name: partName }),
    })),
  });
  const placed: PlacedFileSystem[] = [];
  for (const { fs, uuid, group, pvUuid, volumes = [], ...partition } of partitions) {
    if (fs !== undefined && uuid !== undefined) placed.push({ ...partition, fs, uuid });
    if (group === undefined) continue;
    const sizes = volumes.map(({ name, sizeMiB }) => ({ name, sizeBytes: sizeMiB * MiB }));
    const offsets = await makeVolumeGroup(disk, partition, group, sizes);
    if (pvUuid !== undefined) await setPvUuid(disk, partition, group, pvUuid);
    for (const { name, sizeMiB, ...volume } of volumes) {
      const offsetBytes = partition.offsetBytes + (offsets.get(name) ?? Number.NaN);
      placed.push({ ...volume, offsetBytes, sizeBytes: sizeMiB * MiB, device: `/dev/${group}/${name}` });
    }
  }
  return placed;
}

/** Entries of one file system, by their path in it. */
function entriesBelow(
  entries: ReadonlyMap<string, TreeEntry>,
  at: string,
  mountpoints: readonly string[],
): Map<string, TreeEntry> {
  const below = (path: string, dir: string) => dir === '/' || path === dir || path.startsWith(`${dir}/`);
  const deeper = mountpoints.filter((other) => other !== at && below(other, at));
  return new Map(
    [...entries]
      .filter(([path]) => below(path, at) && !deeper.some((other) => below(path, other)))
      .map(([path, entry]) => [at === '/' ? path : path.slice(at.length), entry]),
  );
}

async function onLoop(
  disk: string,
  { offsetBytes, sizeBytes }: PlacedFileSystem,
  work: (device: string) => Promise<void>,
): Promise<void> {
  const place = ['--offset', String(offsetBytes), '--sizelimit', String(sizeBytes)];
  const device = (await run('losetup', ['--find', '--show', ...place, disk])).stdout.trim();
  try {
    await work(device);
  } finally {
    await run('losetup', ['--detach', device]);
  }
}

async function makeFileSystem(
  device: string,
  { fs, uuid, label }: PlacedFileSystem,
  root: string,
): Promise<void> {
  const labelled = label === undefined ? [] : ['-L', label];
  switch (fs) {
    case 'swap':
      await run('mkswap', ['--uuid', uuid, ...labelled, device]);
      return;
    case 'ext4':
      await run('mke2fs', [
        '-q',
        '-F',
        '-t',
        'ext4',
        '-U',
        uuid,
        ...labelled,
        '-E',
        'nodiscard',
        '-d',
        root,
        device,
      ]);
      return;
    case 'btrfs':
      await run('mkfs.btrfs', ['-q', '-f', '-K', '-U', uuid, ...labelled, device]);
      return;
    case 'xfs': {
      const prototype = `${root}.proto`;
      await writeFile(prototype, await xfsPrototype(root));
      await run('mkfs.xfs', ['-q', '-f', '-K', '-m', `uuid=${uuid}`, ...labelled, '-p', prototype, device]);
      await rm(prototype);
      return;
    }
    case 'vfat': {
      const named = label === undefined ? [] : ['-n', label];
      await run('mkfs.vfat', ['-i', uuid.replace('-', ''), ...named, device]);
      for (const name of await readdir(root))
        await run('mcopy', ['-s', '-i', device, join(root, name), '::']);
    }
  }
}

/** A prototype file of mkfs.xfs(8) for a directory of the host; everything is root's. */
async function xfsPrototype(root: string): Promise<string> {
  const lines = ['/dev/null', '0 0', 'd--755 0 0'];
  const mode = (bits: number) => (bits & 0o777).toString(8).padStart(3, '0');
  const add = async (dir: string) => {
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (entry.isSymbolicLink()) lines.push(`${entry.name} l--777 0 0 ${await readlink(path)}`);
      else if (entry.isDirectory()) {
        lines.push(`${entry.name} d--${mode((await stat(path)).mode)} 0 0`);
        await add(path);
        lines.push('$');
      } else lines.push(`${entry.name} ---${mode((await stat(path)).mode)} 0 0 ${path}`);
    }
  };
  await add(root);
  return [...lines, '$', ''].join('\n');
}

/** Subvolumes are made by a kernel alone: in an appliance. */
async function fillBtrfs(disk: string, fileSystem: PlacedFileSystem, root: string): Promise<void> {
  const { device, subvolumes = [], subvolume = '', defaultSubvolume } = fileSystem;
  const archive = `${root}.tar`;
  await run('tar', ['-C', root, '-cf', archive, '.']);
  const made = subvolumes.flatMap((path) => {
    const parent = path.includes('/') ? [`mkdir-p /${dirname(path)}`] : [];
    return [...parent, `btrfs-subvolume-create /${path}`];
  });
  // The first subvolume's number is 256, and each takes the next.
  const number = 256 + subvolumes.indexOf(subvolume);
  const script = [
    'run',
    `mount-options "" ${device} /`,
    ...made,
    `tar-in ${archive} /${subvolume}`,
    ...(defaultSubvolume === true ? [`btrfs-subvolume-set-default ${number} /`] : []),
    'umount-all',
    '',
  ].join('\n');
  await run('guestfish', ['--format=raw', '-a', disk], {
    input: script,
    env: { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' },
    wallMs: 900_000,
  });
  await rm(archive);
}
