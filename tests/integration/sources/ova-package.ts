import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { convertImage } from '../../../activities/image/convert.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import { testIo } from '../../support/io.ts';
import { type OvaOptions, writeOva } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { writeStreamOptimized } from '../image/stream-optimized.ts';
import { makeDisk, sha256 } from '../image/variants.ts';

export const sizeBytes = 24 * 1024 ** 2 + 3 * 512;
export const vmdk = 'web01-disk1.vmdk';

export interface Made {
  directory: string;
  /** Where the package is put together. */
  source: string;
  ova: string;
  raw: string;
}

/** A directory with a raw disk, and the same as the VMDK of a package that is still to be put together. */
export async function prepare(): Promise<Made> {
  const directory = scratchDirectory();
  const source = join(directory, 'source');
  await mkdir(source);
  const raw = join(directory, 'disk.raw');
  await makeDisk(raw);
  await writeStreamOptimized(raw, join(source, vmdk));
  return { directory, source, raw, ova: join(directory, 'web01.ova') };
}

/** An OVA of one streamOptimized disk. */
export async function ovaOf(more: Partial<OvaOptions> = {}): Promise<Made> {
  const made = await prepare();
  await writeOva(made.ova, {
    directory: made.source,
    descriptor: oneDiskOvf(vmdk, sizeBytes),
    files: [vmdk],
    ...more,
  });
  return made;
}

export async function contentOf(disk: AcquiredDisk | undefined): Promise<string> {
  if (disk === undefined) throw new Error('there is no disk');
  const path = join(scratchDirectory(), 'copy.raw');
  await writeFile(path, '');
  await convertImage({
    source: { image: disk.image },
    target: { path, format: 'raw', compression: 'none' },
    index: disk.index,
    totalBytes: disk.allocatedBytes,
    io: testIo(),
  });
  return sha256(path);
}

export const filesIn = async (directory: string): Promise<string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
};

export const refusal = async (attempt: Promise<unknown>) => {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error as { code: string; found: string; details: object };
};
