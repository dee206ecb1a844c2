import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasErrno, LonghaulError } from '../../../contracts/errors.ts';
import { formatBytes } from '../../../contracts/units.ts';
import { decompressStream } from '../../archive/decompress.ts';
import { damageToldOf } from '../../archive/errors.ts';
import { FreeSpaceGuard } from '../../archive/free-space-guard.ts';
import type { ArchiveBudget } from '../../archive/limits.ts';
import { MemberFile } from '../../archive/member-file.ts';
import { DiskTeller } from '../../host/disk-teller.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import type { StepIo } from '../../host/step-io.ts';
import { syncPath } from '../../host/sync-path.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { isThere } from '../../host/written-file.ts';
import { contentBytes, requireDigest } from '../../image/content-digest.ts';
import { identify } from '../../image/identity.ts';
import { type PackageDisk, storedBytesOf } from './ovf-package.ts';

export interface UnpackJob {
  archive: string;
  disk: PackageDisk;
  /** Of the whole package: what its disks unpack to counts together. */
  budget: ArchiveBudget;
  work: WorkDir;
  io: StepIo;
}

/** What stands beside a disk that was unpacked whole. */
const unpacked = z.strictObject({ subject: z.string(), inode: z.string(), sizeBytes: z.number() });

/**
 * Puts a disk that lies in pieces or compressed into one file of the work directory, and compares the pieces with
 * their digests as they are read. One that is whole is not unpacked again, and counts as if it were.
 *
 * @returns its path
 * @throws LonghaulError ARCHIVE_CHECKSUM, ARCHIVE_DAMAGED, ARCHIVE_LIMIT, SPACE_INSUFFICIENT, SOURCE_UNREADABLE; on
 *   abort, the signal's reason
 */
export async function unpackDisk(job: UnpackJob): Promise<string> {
  const { disk, budget, work } = job;
  const name = `unpacked-disk${disk.index}`;
  const path = join(work.scratch, name);
  const record = `${path}.json`;
  const sources = await identify([...new Set(disk.pieces.map((piece) => piece.path))]);
  const subject = JSON.stringify([sources, disk]);
  const known = unpacked.safeParse(JSON.parse((await readIfThere(record)) ?? '{}')).data;
  if (known?.subject === subject && (await isThere({ path, ...known }))) {
    budget.countBytes(known.sizeBytes);
    return path;
  }
  await rm(record, { force: true });
  const room = new FreeSpaceGuard(job.archive, work.scratch, budget.limits.reserveBytes);
  const file = await MemberFile.begin(`${path}.partial`);
  let inode: string;
  try {
    for await (const piece of contentOf(job)) {
      const before = file.writtenBytes;
      await file.append(piece);
      await room.tell(file.writtenBytes - before, 0);
    }
    inode = await file.finish(work.scratch, name);
  } catch (error) {
    await file.discard();
    throw await room.typed(error, 0);
  }
  await replaceFile(record, JSON.stringify({ subject, inode, sizeBytes: file.sizeBytes }));
  return path;
}

/** The disk's bytes, unpacked, within the limits. */
async function* contentOf({ disk, budget, io }: UnpackJob): AsyncGenerator<Buffer> {
  const stored = storedOf(disk, io);
  const content = disk.gzip ? damageToldOf(disk.name, decompressStream('gzip', stored, io.signal)) : stored;
  for await (const piece of content) {
    io.signal.throwIfAborted();
    budget.countBytes(piece.length);
    yield piece;
  }
}

/** The bytes of all pieces; each is compared when it was read. */
async function* storedOf(disk: PackageDisk, io: StepIo): AsyncGenerator<Buffer> {
  const teller = new DiskTeller(disk.index, storedBytesOf(disk), io);
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

/** Makes a disk that the descriptor has without content. @returns its path @throws LonghaulError OVF_UNSUPPORTED */
export async function makeBlankDisk(disk: PackageDisk, sizeBytes: number, work: WorkDir): Promise<string> {
  const path = join(work.scratch, `blank-disk${disk.index}`);
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(sizeBytes);
  } catch (error) {
    throw hasErrno(error, 'EFBIG') ? tooLarge(disk.name, sizeBytes, error) : error;
  } finally {
    await file.close();
  }
  await syncPath(path);
  await syncPath(work.scratch);
  return path;
}

/** A blank disk is made larger than any, or than the file system of the state directory lets a file become. */
export function tooLarge(name: string, sizeBytes: number, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'OVF_UNSUPPORTED',
    {
      found: `${name} would have ${formatBytes(sizeBytes)}, which is more than can be made`,
      remedy: 'Take that disk out of the descriptor, and make a new one for the VM afterwards.',
      details: { sizeBytes },
    },
    cause,
  );
}
