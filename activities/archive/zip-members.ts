import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Entry, fromFdPromise, getFileNameLowLevel, type ZipFile } from 'yauzl';
import { LonghaulError } from '../../contracts/errors.ts';
import { ByteReader, MalformedArchive } from '../host/byte-reader.ts';
import { inflate } from './decompress.ts';
import { archiveError, shownName } from './errors.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import type { ArchiveBudget } from './limits.ts';
import { MemberNames } from './member-names.ts';
import type { OpenMember, SkippedMember } from './members.ts';

export interface ZipJob {
  /** For people. */
  archive: string;
  file: FileHandle;
  sizeBytes: number;
  budget: ArchiveBudget;
  signal: AbortSignal;
  onSkipped: (skipped: SkippedMember) => void;
}

/** What is kept of an entry until all are known. */
interface ZipEntry {
  name: string;
  method: number;
  crc32: number;
  compressedBytes: number;
  sizeBytes: number;
  headerOffset: number;
  dataOffset: number;
}

/** Names, comments and extra fields of all entries; a few hundred bytes each. */
const maxDirectoryBytes = 16 * 1024 ** 2;
const methods = { stored: 0, deflated: 8 } as const;
const encrypted = 0x1;
/** Sizes and checksum stand behind the data. */
const sizesFollow = 0x8;
/** The size stands in a 64-bit field. */
const in64Bits = 0xffffffff;
const unixSystems = [3, 19];
const fileTypes: Readonly<Record<number, string>> = {
  0o12: 'a symbolic link',
  0o2: 'a character device',
  0o6: 'a block device',
  0o1: 'a FIFO',
  0o14: 'a socket',
};

/**
 * The files in a zip, in the order of its directory; APPNOTE.TXT, PKWARE. yauzl reads directory and headers. All
 * entries are checked, against their local headers and one another, before the first is handed out.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_UNSUPPORTED; MalformedArchive when it is damaged
 */
export async function* zipMembers(job: ZipJob): AsyncGenerator<Omit<OpenMember, 'unpack'>> {
  for (const entry of await checkedEntries(job)) {
    const content = new ByteReader(contentOf(job, entry), Infinity);
    yield {
      name: entry.name,
      sizeBytes: entry.sizeBytes,
      head: (count) => content.peek(count),
      body: () => content.rest(),
    };
    await content.close();
  }
}

async function checkedEntries(job: ZipJob): Promise<ZipEntry[]> {
  try {
    const zip = await fromFdPromise(job.file.fd, { decodeStrings: false });
    // Its types have it for a boolean.
    const directoryOffset = Number(zip.readEntryCursor);
    const names = new MemberNames(job.archive);
    const entries: ZipEntry[] = [];
    let directoryBytes = 0;
    for await (const raw of zip.eachEntry()) {
      job.signal.throwIfAborted();
      job.budget.countMember();
      directoryBytes += raw.fileNameLength + raw.extraFieldLength + raw.fileCommentLength;
      if (directoryBytes > maxDirectoryBytes)
        throw archiveError('ARCHIVE_HOSTILE', job.archive, 'has a directory of an absurd size');
      const entry = await checkedEntry(job, zip, raw, names);
      if (entry !== undefined) entries.push(entry);
    }
    requireApart(job.archive, entries, directoryOffset);
    return entries;
  } catch (error) {
    job.signal.throwIfAborted();
    throw typed(job.archive, error);
  }
}

async function checkedEntry(
  job: ZipJob,
  zip: ZipFile,
  raw: Entry,
  names: MemberNames,
): Promise<ZipEntry | undefined> {
  const written = getFileNameLowLevel(raw.generalPurposeBitFlag, raw.fileNameRaw, raw.extraFields, true);
  const other = otherType(raw);
  const isDirectory = written.endsWith('/');
  const name = names.claim(written, other !== undefined ? 'other' : isDirectory ? 'directory' : 'file');
  if (other !== undefined) job.onSkipped({ name, why: other });
  else if (isDirectory && raw.uncompressedSize > 0)
    throw names.hostile(written, 'has data, although it is no file');
  if (other !== undefined || isDirectory) return undefined;

  if ((raw.generalPurposeBitFlag & encrypted) !== 0) throw unsupported(job.archive, name, 'is encrypted');
  if (raw.compressionMethod !== methods.stored && raw.compressionMethod !== methods.deflated)
    throw unsupported(job.archive, name, `is compressed by method ${raw.compressionMethod}`);
  const local = await zip.readLocalFileHeaderPromise(raw);
  const follows = (local.generalPurposeBitFlag & sizesFollow) !== 0;
  const same = (here: number, there: number) => follows || here === in64Bits || here === there;
  const agrees =
    local.fileName.equals(raw.fileNameRaw) &&
    local.compressionMethod === raw.compressionMethod &&
    (local.generalPurposeBitFlag & encrypted) === 0 &&
    same(local.compressedSize, raw.compressedSize) &&
    same(local.uncompressedSize, raw.uncompressedSize) &&
    same(local.crc32, raw.crc32);
  if (!agrees) throw names.hostile(written, 'is described in two different ways');
  job.budget.announceBytes(raw.uncompressedSize);
  return {
    name,
    method: raw.compressionMethod,
    crc32: raw.crc32,
    compressedBytes: raw.compressedSize,
    sizeBytes: raw.uncompressedSize,
    headerOffset: raw.relativeOffsetOfLocalHeader,
    dataOffset: local.fileDataStart,
  };
}

/** Of entries that were packed on Unix: what they are when they are no files; APPNOTE.TXT 4.4.15, stat(2). */
function otherType({ versionMadeBy, externalFileAttributes }: Entry): string | undefined {
  return unixSystems.includes(versionMadeBy >>> 8) ? fileTypes[externalFileAttributes >>> 28] : undefined;
}

/** A bomb has many entries for the same bytes. */
function requireApart(archive: string, entries: readonly ZipEntry[], directoryOffset: number): void {
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.headerOffset - b.headerOffset)) {
    if (entry.headerOffset < end)
      throw archiveError('ARCHIVE_HOSTILE', archive, `has members that lie one over another`, {
        details: { member: entry.name },
      });
    end = entry.dataOffset + entry.compressedBytes;
  }
  if (end > directoryOffset)
    throw archiveError('ARCHIVE_HOSTILE', archive, 'has members that lie over its directory');
}

async function* contentOf(job: ZipJob, entry: ZipEntry): AsyncGenerator<Buffer> {
  const stored = rangeOf(job, entry);
  const pieces =
    entry.method === methods.stored ? stored : inflate(stored, entry.compressedBytes, job.signal);
  let [sizeBytes, checksum] = [0, 0];
  for await (const piece of pieces) {
    sizeBytes += piece.length;
    job.budget.countBytes(piece.length);
    if (sizeBytes > entry.sizeBytes)
      throw archiveError('ARCHIVE_HOSTILE', job.archive, 'has a member that is larger than it says', {
        details: { member: entry.name },
      });
    checksum = crc32(piece, checksum);
    yield piece;
  }
  if (sizeBytes !== entry.sizeBytes || checksum !== entry.crc32)
    throw new MalformedArchive(`the checksum of ${JSON.stringify(entry.name)} does not hold`);
}

async function* rangeOf({ file, signal }: ZipJob, entry: ZipEntry): AsyncGenerator<Buffer> {
  const reader = new RandomReader(fileBytes(file, entry.dataOffset + entry.compressedBytes));
  await reader.skip(entry.dataOffset);
  for await (const piece of reader.rest()) {
    signal.throwIfAborted();
    yield piece;
  }
}

function unsupported(archive: string, member: string, what: string): Error {
  return archiveError('ARCHIVE_UNSUPPORTED', archive, `has a member ${shownName(member)} that ${what}`, {
    details: { member },
  });
}

/** yauzl has no types of errors, but words that do not change within a version. */
function typed(archive: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LonghaulError || error instanceof MalformedArchive)
    return error;
  if (/multi-disk|strong encryption/.test(error.message))
    return archiveError('ARCHIVE_UNSUPPORTED', archive, `cannot be read: ${error.message}`, { cause: error });
  return 'code' in error ? error : new MalformedArchive(error.message);
}
