import { createHash } from 'node:crypto';
import { lstat, mkdtemp, open, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../guests/lib/run.ts';

const firstPartition = 1024 * 1024;

/** What a guest would find on its disk: a line for each file, and one for boot loader and partition table. */
export type GuestContent = Record<string, string>;

/**
 * Reads a disk of the tiny guest. Mounting and fixing leave their times in the file system, so two good disks
 * differ in bytes: what is compared are all paths with type, mode, owner and content. `e2fsck` must find
 * nothing to mend.
 *
 * @param directory where there is room for a raw copy; left as it was.
 */
export async function guestContent(diskPath: string, directory: string): Promise<GuestContent> {
  const scratch = await mkdtemp(join(directory, 'content-'));
  try {
    const raw = join(scratch, 'disk.raw');
    await run('qemu-img', ['convert', '-O', 'raw', diskPath, raw]);
    const fileSystem = `${raw}?offset=${firstPartition}`;
    await run('e2fsck', ['-f', '-n', fileSystem]);
    const root = join(scratch, 'root');
    await run('mkdir', [root]);
    await run('debugfs', ['-R', `rdump / ${root}`, fileSystem]);
    return { 'boot loader and partition table': await headDigest(raw), ...(await treeOf(root)) };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function headDigest(path: string): Promise<string> {
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(firstPartition), 0, firstPartition, 0);
    return digest(buffer);
  } finally {
    await handle.close();
  }
}

async function treeOf(directory: string, below = ''): Promise<GuestContent> {
  const content: GuestContent = {};
  for (const entry of await readdir(join(directory, below), { withFileTypes: true })) {
    const name = join(below, entry.name);
    const path = join(directory, name);
    const { mode, uid, gid } = await lstat(path);
    let what = '';
    if (entry.isSymbolicLink()) what = await readlink(path);
    else if (entry.isFile()) what = digest(await readFile(path));
    else if (entry.isDirectory()) Object.assign(content, await treeOf(directory, name));
    content[name] = `${mode.toString(8)} ${uid}:${gid} ${what}`;
  }
  return content;
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
