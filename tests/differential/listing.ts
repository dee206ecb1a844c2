import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectGuest } from '../../activities/guest/inspector.ts';
import { unlockContainers } from '../../activities/guest/luks-handler.ts';
import { makeWritable } from '../../activities/guest/mount-manager.ts';
import { openSession } from '../../activities/guest/session/open-session.ts';
import { quietIo } from '../support/guest-trees.ts';

/** Path to type, mode, owner, size and digest or link target of everything in a guest's file systems. */
export type Listing = Map<string, string>;

const output = '/tmp/longhaul-listing';
const maxListingBytes = 64 * 1024 * 1024;

/**
 * The guest's own find(1) and sha256sum(1) list it, over its mount points and nothing beside them. Names with
 * line breaks are left out; a Debian has none.
 */
function script(mountpoints: readonly string[]): string {
  const where = `find ${mountpoints.join(' ')} -xdev ! -path ${output}`;
  return [
    `${where} -printf '%y %m %U:%G %s %l\\t%p\\n' > ${output}`,
    `echo >> ${output}`,
    `${where} -type f -print0 | xargs -0 sha256sum >> ${output}`,
  ].join(' && ');
}

/** Lists a disk without changing it. The guest must bring a shell, find and sha256sum. */
export async function listGuest(disk: string, format: 'raw' | 'qcow2'): Promise<Listing> {
  const scratchDir = await mkdtemp(join(tmpdir(), 'listing-'));
  const io = quietIo();
  const guest = await openSession({
    disks: [{ path: disk, format }],
    accelerator: 'tcg',
    // What is written stays in a temporary overlay of libguestfs.
    readOnly: true,
    io,
    tmpDir: scratchDir,
  });
  try {
    const unlocked = await unlockContainers(guest, [], () => Promise.resolve(Buffer.alloc(0)));
    const { mounted } = await inspectGuest({ guest, launchSeconds: 0, unlocked, scratchDir, ...io });
    if (mounted === undefined) throw new Error(`${disk} holds no system`);
    await makeWritable(guest, mounted);
    await guest.command(['/bin/sh', '-c', script(mounted.mountpoints.map(({ path }) => path))]);
    const copy = join(scratchDir, 'listing');
    await guest.download(output, copy, maxListingBytes);
    return parseListing(await readFile(copy, 'utf8'));
  } finally {
    await guest.close();
    await rm(scratchDir, { recursive: true, force: true });
  }
}

/** Sizes of directories say nothing of what is in them, and differ with the order it came in. */
function parseListing(text: string): Listing {
  const [entries = '', digests = ''] = text.split('\n\n');
  const found: Listing = new Map();
  for (const line of entries.split('\n')) {
    const [facts = '', path] = line.split('\t');
    const [type = '', mode = '', owner = '', size = '', ...target] = facts.split(' ');
    if (path === undefined) continue;
    const content = type === 'f' ? `${size} bytes` : type === 'l' ? `-> ${target.join(' ')}` : '';
    found.set(path, [type, mode, owner, content].join(' ').trim());
  }
  for (const line of digests.split('\n')) {
    const [, escaped, digest = '', name] = /^(\\?)([0-9a-f]{64}) {2}(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    // A name with a backslash has it doubled, and one before the line.
    const path = escaped === '' ? name : name.replaceAll('\\\\', '\\');
    found.set(path, `${found.get(path) ?? ''} sha256:${digest.slice(0, 16)}`);
  }
  return found;
}

/** Paths whose entry is not the same in both, in order. */
export function changedPaths(before: Listing, after: Listing): string[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].filter((path) => before.get(path) !== after.get(path)).sort();
}
