import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decompressStream } from '../../archive/decompress.ts';
import { damageToldOf } from '../../archive/errors.ts';
import { ArchiveBudget, type ArchiveLimits } from '../../archive/limits.ts';
import { MemberFile } from '../../archive/member-file.ts';
import { FreeSpaceGuard } from '../../archive/free-space-guard.ts';
import { DiskTeller } from '../../host/disk-teller.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { contentBytes, requireDigest } from '../../image/content-digest.ts';
import { identify } from '../../image/identity.ts';
import type { PackageDisk } from './ovf-package.ts';

export interface UnpackJob {
  archive: string;
  disk: PackageDisk;
  limits: ArchiveLimits;
  work: WorkDir;
  io: StepIo;
}

/**
 * Puts a disk that lies in pieces or compressed into one file of the work directory, and compares the pieces with
 * their digests as they are read. One that is whole is not unpacked again.
 *
 * @returns its path
 * @throws LonghaulError ARCHIVE_CHECKSUM, ARCHIVE_DAMAGED, ARCHIVE_LIMIT, SPACE_INSUFFICIENT, SOURCE_UNREADABLE; on
 *   abort, the signal's reason
 */
export async function unpackDisk(job: UnpackJob): Promise<string> {
  const { disk, work } = job;
  const name = `unpacked-disk${disk.index}`;
  const path = join(work.scratch, name);
  const record = `${path}.json`;
  const sources = await identify([...new Set(disk.pieces.map((piece) => piece.path))]);
  const subject = JSON.stringify([sources, disk]);
  if ((await readIfThere(record)) === subject) return path;
  await rm(record, { force: true });
  const room = new FreeSpaceGuard(job.archive, work.scratch, job.limits.reserveBytes);
  const file = await MemberFile.begin(`${path}.partial`);
  try {
    for await (const piece of contentOf(job)) {
      const before = file.writtenBytes;
      await file.append(piece);
      await room.tell(file.writtenBytes - before, 0);
    }
    await file.finish(work.scratch, name);
  } catch (error) {
    await file.discard();
    throw await room.typed(error, 0);
  }
  await replaceFile(record, subject);
  return path;
}

/** The disk's bytes, unpacked, within the limits. */
async function* contentOf({ archive, disk, limits, io }: UnpackJob): AsyncGenerator<Buffer> {
  const storedBytes = disk.pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const budget = new ArchiveBudget(archive, storedBytes, limits);
  const stored = storedOf(disk, storedBytes, io);
  const content = disk.gzip ? damageToldOf(disk.name, decompressStream('gzip', stored, io.signal)) : stored;
  for await (const piece of content) {
    io.signal.throwIfAborted();
    budget.countBytes(piece.length);
    yield piece;
  }
}

/** The bytes of all pieces; each is compared when it was read. */
async function* storedOf(disk: PackageDisk, totalBytes: number, io: StepIo): AsyncGenerator<Buffer> {
  const teller = new DiskTeller(disk.index, totalBytes, io);
  for (const piece of disk.pieces) {
    const hash = piece.digest && createHash(piece.digest.algorithm);
    for await (const bytes of contentBytes(piece, io.signal)) {
      hash?.update(bytes);
      teller.passed(bytes.length, `unpacking ${piece.name}`);
      yield bytes;
    }
    const hex = hash?.digest('hex');
    if (piece.digest !== undefined && hex !== undefined) requireDigest(piece, piece.digest, hex);
  }
}

/** Makes a disk that the descriptor has without content. @returns its path */
export async function makeBlankDisk(disk: PackageDisk, sizeBytes: number, work: WorkDir): Promise<string> {
  const path = join(work.scratch, `blank-disk${disk.index}`);
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
  return path;
}
