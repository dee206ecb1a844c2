import { lstat } from 'node:fs/promises';
import { LonghaulError } from '../../contracts/errors.ts';
import type { FileIdentity, ImageNode } from '../../contracts/values.ts';
import { sourceFileError } from './errors.ts';

/** Every file of an image, its parents' included, each once. */
export function filesOf(image: ImageNode): string[] {
  const below = image.backing ? filesOf(image.backing) : [];
  return [...new Set([image.path, ...image.extents, ...below])];
}

/** The identities of source files, to notice later that one was changed or replaced. */
export async function identify(paths: readonly string[]): Promise<FileIdentity[]> {
  return Promise.all(paths.map(identityOf));
}

/** The same of one file. */
export async function identityOf(path: string): Promise<FileIdentity> {
  try {
    const stat = await lstat(path, { bigint: true });
    return {
      path,
      sizeBytes: Number(stat.size),
      mtimeNs: stat.mtimeNs.toString(),
      inode: `${stat.dev}:${stat.ino}`,
    };
  } catch (error) {
    throw sourceFileError(path, error);
  }
}

/**
 * @throws LonghaulError SOURCE_CHANGED when a file differs from what it was, SOURCE_NOT_FOUND when it is gone.
 */
export async function assertUnchanged(files: readonly FileIdentity[]): Promise<void> {
  for (const before of files) {
    const now = await identityOf(before.path);
    const changed = (['sizeBytes', 'mtimeNs', 'inode'] as const).filter((key) => now[key] !== before[key]);
    if (changed.length > 0)
      throw new LonghaulError('SOURCE_CHANGED', {
        found: `${before.path} is not the file it was when the migration began (${changed.join(', ')} changed)`,
        remedy: 'Stop what writes to it (is the VM still running?), then start the migration again.',
        details: { before, now },
      });
  }
}
