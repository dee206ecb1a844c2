import { stat } from 'node:fs/promises';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import { freeSpace } from '../host/space.ts';
import { bytesIn } from './extents.ts';
import type { RangeSource } from './range-source.ts';

/** The room that disks need which are fetched side by side, into one file system. */
export class Room {
  readonly #needs = new Map<string, number>();

  /**
   * Better to say so before than when the host is full: counts all disks that were asked about so far.
   *
   * @param path where the disk goes; what is there counts
   * @throws LonghaulError SPACE_INSUFFICIENT
   */
  async require(path: string, { name, extents }: Pick<RangeSource, 'name' | 'extents'>): Promise<void> {
    this.#needs.set(path, bytesIn(extents));
    const [missing, { freeBytes }] = await Promise.all([this.#missingBytes(), freeSpace(path)]);
    if (freeBytes >= missing) return;
    const who = this.#needs.size === 1 ? `${name} needs` : `${name} and the other disks of the VM need`;
    throw new LonghaulError('SPACE_INSUFFICIENT', {
      found: `${who} ${formatBytes(missing)} more on this host, where ${formatBytes(freeBytes)} are free: ${formatBytes(missing - freeBytes)} are missing (${missing - freeBytes} bytes)`,
      remedy: 'Make room for them in the state directory, then retry: what was fetched is kept.',
      details: { path, missingBytes: missing - freeBytes },
    });
  }

  async #missingBytes(): Promise<number> {
    const all = await Promise.all(
      Array.from(this.#needs, async ([path, bytes]) => Math.max(0, bytes - (await allocatedBytesOf(path)))),
    );
    return all.reduce((sum, each) => sum + each, 0);
  }
}

async function allocatedBytesOf(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
