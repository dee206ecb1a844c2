import { access, constants, lstat, stat } from 'node:fs/promises';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';
import { didYouMean } from '../../contracts/nearest.ts';
import type { MigrationSpec } from '../../contracts/spec.ts';
import { targetPathOf } from '../image/convert-disk.ts';
import { publishedPath } from '../image/publish.ts';
import { WorkDir } from '../host/work-dir.ts';
import { blocker } from '../../contracts/findings.ts';
import type { Check, PreflightDeps } from './check.ts';
import { namesOf } from './libvirt-checks.ts';

/** Storage pools whose volumes are files in a directory; https://libvirt.org/storage.html */
const directoryPools: readonly string[] = ['dir', 'fs', 'netfs'];

const poolXml = z.object({
  pool: z.object({ '@type': z.string(), target: z.object({ path: z.string().startsWith('/') }) }),
});

/**
 * The directory of the new disks: the spec's, its pool's, or the host's default. Not looked at yet.
 *
 * @throws LonghaulError POOL_UNUSABLE, LIBVIRT_UNREACHABLE
 */
export async function resolveTargetDirectory(
  target: MigrationSpec['target'],
  deps: PreflightDeps,
  signal: AbortSignal,
): Promise<string> {
  if (target.directory !== undefined) return target.directory;
  if (target.pool === undefined) return deps.host.defaultTargetDirectory;

  const { pool } = target;
  const unusable = (found: string, remedy: string) => new LonghaulError('POOL_UNUSABLE', { found, remedy });
  const pools = await namesOf(deps.virsh, ['pool-list', '--all', '--name'], signal);
  if (!pools.has(pool)) {
    throw unusable(
      `there is no storage pool ${pool} in ${deps.host.libvirtUri}${didYouMean(pool, pools)}`,
      'Correct target.pool; "virsh pool-list --all" lists the pools.',
    );
  }
  if (!(await namesOf(deps.virsh, ['pool-list', '--name'], signal)).has(pool)) {
    throw unusable(`the storage pool ${pool} is not active`, `Run: virsh pool-start ${pool}`);
  }
  const text = await deps.virsh(['pool-dumpxml', '--pool', pool], signal);
  const parsed = poolXml.safeParse(
    new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@' }).parse(text),
  );
  if (!parsed.success || !directoryPools.includes(parsed.data.pool['@type'])) {
    const type = /<pool type='([a-z-]+)'/.exec(text)?.[1] ?? 'unknown';
    throw unusable(
      `the storage pool ${pool} is of type ${type}; disks are written as files of a directory`,
      `Name a pool of type ${directoryPools.join(', ')}, or a directory.`,
    );
  }
  return parsed.data.pool.target.path;
}

/** The directory is there and open to us; it is never made, because that would hide an unmounted volume. */
export const checkTargetDirectory: Check = async ({ targetDirectory }) => {
  if (targetDirectory === undefined) return [];
  const unusable = (why: string, remedy: string) => [
    blocker('TARGET_DIRECTORY_UNUSABLE', `${targetDirectory} ${why}`, remedy),
  ];
  try {
    if (!(await stat(targetDirectory)).isDirectory()) {
      return unusable('is not a directory', 'Name a directory in target.directory.');
    }
    await access(targetDirectory, constants.W_OK | constants.X_OK);
    return [];
  } catch (error) {
    return hasErrno(error, 'ENOENT')
      ? unusable('does not exist', 'Make it, or mount what belongs there; it is never made by itself.')
      : unusable(
          `cannot be written to: ${messageOf(error)}`,
          "Give the worker's user the right to write there, or name another directory.",
        );
  }
};

/** No file, not even a dangling link, stands where a disk would go. */
export const checkTargetFiles: Check = async ({ run, spec, disks, targetDirectory, deps }) => {
  if (targetDirectory === undefined) return [];
  const work = new WorkDir(deps.host.stateDir, run);
  // A disk that this run finished before it was parked is not in its own way.
  const ours = await Promise.all(disks.map(({ index }) => publishedPath(work, index)));
  const paths = disks
    .map(({ index }) => targetPathOf(spec, targetDirectory, index))
    .filter((path) => !ours.includes(path));
  const taken = await Promise.all(paths.map(isTaken));
  return paths
    .filter((_, index) => taken[index])
    .map((path) =>
      blocker(
        'TARGET_EXISTS',
        `${path} exists`,
        'Move or remove it, or choose another name or directory. Longhaul never overwrites a file.',
      ),
    );
};

async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return false;
    throw error;
  }
}
