import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { imageError, sourceFileError } from './errors.ts';

/**
 * The directory that all files of one image must lie in. Names come from headers and are hostile: they are
 * joined as QEMU joins them, resolved by the kernel with every link followed, and then compared. `/` encloses
 * nothing: an image that lies directly in it may name no other file. Nor may one that came `alone`.
 */
export class Enclosure {
  readonly directory: string;
  private readonly alone: boolean;
  private readonly seen = new Map<string, string>();

  /** @param directory Absolute, links resolved. */
  constructor(directory: string, { alone = false } = {}) {
    this.directory = directory;
    this.alone = alone;
  }

  /**
   * The resolved path of the file that `owner` names, counted as used.
   *
   * @throws LonghaulError IMAGE_REFERENCE_OUTSIDE, SOURCE_NOT_FOUND (cause ENOENT), SOURCE_UNREADABLE;
   *   IMAGE_CORRUPT for a file used twice, as in a cycle.
   */
  async resolve(owner: string, name: string): Promise<string> {
    if (this.alone) throw this.outside(owner, name, 'and came alone: it may name no other file', flatten);
    if (this.directory === '/') throw this.outside(owner, name, 'and lies in /, where no file is its own');
    if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(name) || name.includes('\0')) throw this.outside(owner, name);
    // Not path.join: it would take `a/..` away without asking where the link `a` leads.
    const joined = name.startsWith('/') ? name : `${dirname(owner)}/${name}`;
    let path: string;
    try {
      path = await realpath(joined);
    } catch (error) {
      // Whether a file exists elsewhere on this host is nobody's business.
      if (name.startsWith('/') || name.split('/').includes('..')) throw this.outside(owner, name);
      throw sourceFileError(joined, error);
    }
    await this.admit(owner, path, name);
    return path;
  }

  /** Checks and counts a path that is resolved already. */
  async admit(owner: string, path: string, name = path): Promise<void> {
    const prefix = this.directory.endsWith('/') ? this.directory : `${this.directory}/`;
    if (!path.startsWith(prefix)) throw this.outside(owner, name);
    const { dev, ino } = await stat(path).catch((error: unknown) => {
      throw sourceFileError(path, error);
    });
    const key = `${dev}:${ino}`;
    if (this.seen.has(key))
      throw imageError('IMAGE_CORRUPT', owner, `refers to ${path}, which is part of the image already`);
    this.seen.set(key, path);
  }

  private outside(
    owner: string,
    name: string,
    why = `which is not a file in ${this.directory}`,
    remedy = gather,
  ): Error {
    return imageError('IMAGE_REFERENCE_OUTSIDE', owner, `refers to ${JSON.stringify(name)}, ${why}`, remedy, {
      reference: name,
      directory: this.directory,
    });
  }
}

const gather =
  'If you trust the image, copy all its files into one directory with plain relative names ' +
  '(qcow2: qemu-img rebase -u); else do not migrate it.';
/** What to do about an image that came without the files that it names. */
export const flatten =
  'Make one file of it where its other files are (qemu-img convert), or copy all of them to the host and name its path.';
