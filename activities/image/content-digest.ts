import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { LonghaulError } from '../../contracts/errors.ts';
import type { StepContext } from '../../contracts/steps.ts';
import type { AcquiredDisk, ContentDigest, ImageWindow } from '../../contracts/values.ts';
import { DiskTeller } from '../host/disk-teller.ts';
import type { StepIo } from '../host/step-io.ts';
import { sourceFileError } from './errors.ts';
import { ImageFile } from './formats/image-file.ts';

/** A file, or what lies of one in a window. */
export interface Content {
  /** For people. */
  name: string;
  path: string;
  sizeBytes: number;
  window?: ImageWindow | undefined;
}

const pieceBytes = 1024 ** 2;

/** Its bytes from the start. @throws LonghaulError SOURCE_UNREADABLE, IMAGE_TRUNCATED; on abort, the signal's reason */
export async function* contentBytes(content: Content, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const { path, window, sizeBytes } = content;
  // It may have become shorter since it was listed.
  await ImageFile.with(path, () => Promise.resolve(), window);
  const start = window?.offset ?? 0;
  const stream = createReadStream(path, {
    start,
    end: start + sizeBytes - 1,
    highWaterMark: pieceBytes,
    ...(signal ? { signal } : {}),
  });
  try {
    if (sizeBytes > 0) yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    signal?.throwIfAborted();
    throw sourceFileError(path, error);
  } finally {
    stream.destroy();
  }
}

/**
 * Compares bytes with their digest, by one read of them.
 *
 * @param index of the disk that they belong to
 * @throws LonghaulError ARCHIVE_CHECKSUM, SOURCE_UNREADABLE, IMAGE_TRUNCATED; on abort, the signal's reason
 */
export async function compareContent(
  content: Content,
  digest: ContentDigest,
  index: number,
  io: StepIo,
): Promise<void> {
  const hash = createHash(digest.algorithm);
  const teller = new DiskTeller(index, content.sizeBytes, io);
  for await (const piece of contentBytes(content, io.signal)) {
    hash.update(piece);
    teller.passed(piece.length, `comparing ${content.name} with the manifest`);
  }
  requireDigest(content, digest, hash.digest('hex'));
}

/** @param hex what the bytes really give @throws LonghaulError ARCHIVE_CHECKSUM */
export function requireDigest(
  content: Pick<Content, 'name' | 'path'>,
  digest: ContentDigest,
  hex: string,
): void {
  const { algorithm, hex: expected } = digest;
  if (hex === expected) return;
  throw new LonghaulError('ARCHIVE_CHECKSUM', {
    found: `${content.name} is not what the manifest says: its ${algorithm.toUpperCase()} is ${hex} and should be ${expected}`,
    remedy: checkRemedy,
    details: { path: content.path, file: content.name, expected, actual: hex },
  });
}

/** What to do about what cannot be compared with its digest, or does not stand up to it. */
export const checkRemedy =
  'Export or download the archive again. If you know why it is so and trust it all the same, set source.verify to false.';

/** Compares a disk that brings a digest along; one without is as it is. @throws as `compareContent` does */
export async function compareDisk(disk: AcquiredDisk, io: StepIo): Promise<void> {
  const { digest, image, index } = disk;
  if (digest === undefined) return;
  const { path, window } = image;
  const sizeBytes = window?.sizeBytes ?? disk.files.find((file) => file.path === path)?.sizeBytes ?? 0;
  await compareContent({ name: window?.name ?? path, path, sizeBytes, window }, digest, index, io);
}

/** The spec may have been amended since the disk was acquired: its manifest is not to be followed then. */
export const isToCompare = (
  { spec: { source } }: Pick<StepContext, 'spec'>,
  { digest }: AcquiredDisk,
): boolean => digest !== undefined && !(source.kind === 'archive' && !source.verify);

/**
 * Does what reads disks that were not compared yet. When it fails they are: what cannot be understood may be damaged, and
 * then that is what has to be said.
 */
export async function orDamaged<T>(
  ctx: Pick<StepContext, 'spec'>,
  disks: readonly AcquiredDisk[],
  io: StepIo,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    io.signal.throwIfAborted();
    if (!blamesGuest(error)) throw error;
    for (const disk of disks) if (isToCompare(ctx, disk)) await compareDisk(disk, io);
    throw error;
  }
}

/** An appliance that does not start, or a program that is missing, says nothing of the disks. */
const blamesGuest = (error: unknown): boolean =>
  error instanceof LonghaulError && (error.code.startsWith('GUEST') || error.code === 'IMAGE_CORRUPT');
