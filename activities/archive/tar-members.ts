import { MalformedArchive } from '../host/byte-reader.ts';
import { archiveError, shownName } from './errors.ts';
import type { ArchiveBudget } from './limits.ts';
import { type MemberKind, MemberNames } from './member-names.ts';
import type { SkippedMember, WalkedMember } from './members.ts';
import {
  blockBytes,
  isTarHeader,
  isZeroBlock,
  maxOctalBytes,
  type PaxRecord,
  paxRecords,
  readHeaders,
  sizeIn,
  typeOf,
} from './tar-header.ts';
import {
  decimal,
  isPaxSparse,
  oldGnuSparse,
  paxSparse,
  paxSparseName,
  type SparseFile,
  storedBytes,
} from './tar-sparse.ts';

/** Where a tar is read from: a stream (`ByteReader`) or from any place (`RandomReader`). */
export interface TarInput {
  readonly position: number;
  /** Where it ends, when that is known. */
  readonly sizeBytes?: number;
  peek(count: number): Promise<Buffer>;
  read(count: number): Promise<Buffer>;
  readSome(count: number): Promise<Buffer>;
  skip(count: number): Promise<void>;
  skipZeros(): Promise<boolean>;
}

/** Names and pax records of real members take a few hundred bytes. */
const maxExtendedBytes = 256 * 1024;

/** Members that are no files, by their letter; none has data. */
const leftOut: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a FIFO',
  V: 'the name of a volume',
};

/** A header with the extended headers before it, as they stand. */
interface HeaderGroup {
  header: Buffer;
  blocks: Buffer[];
  records: readonly PaxRecord[];
  hasLongName: boolean;
}

export interface TarJob {
  /** For people. */
  archive: string;
  input: TarInput;
  budget: ArchiveBudget;
  onSkipped: (skipped: SkippedMember) => void;
}

/**
 * The files in a tar, whatever wrote it: v7, ustar, pax, GNU. This is the one place with the rules of tar, for archives
 * that are streamed and such that are only looked into. While a member is handed out its data may be read
 * from the input; what is left of it is skipped.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_UNSUPPORTED; MalformedArchive when it is damaged
 */
export async function* tarMembers(job: TarJob): AsyncGenerator<WalkedMember> {
  const tar = new TarWalk(job);
  for (let group = await tar.nextGroup(); group !== undefined; group = await tar.nextGroup()) {
    const { member, end } = await tar.understand(group);
    if (member !== undefined) yield member;
    await job.input.skip(end - job.input.position);
  }
}

class TarWalk {
  readonly #job: TarJob;
  readonly #names: MemberNames;
  /** The last name that was read, to say where something is. */
  #last = '';

  constructor(job: TarJob) {
    this.#job = job;
    this.#names = new MemberNames(job.archive);
  }

  /** The next header with what belongs to it; undefined at the end of the archive. */
  async nextGroup(): Promise<HeaderGroup | undefined> {
    const blocks: Buffer[] = [];
    const seen = new Map<string, Buffer>();
    for (;;) {
      const header = await this.#nextHeader(seen.size > 0);
      if (header === undefined) return undefined;
      this.#last = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
      const type = typeOf(header);
      if (!'xgLK'.includes(type)) {
        const records = this.#records(seen.get('x'));
        return { header, blocks: [...blocks, header], records, hasLongName: seen.has('L') };
      }
      const { data, padded } = await this.#extendedData(header);
      if (type === 'g') {
        this.#checkGlobal(data);
        continue;
      }
      if (seen.has(type)) throw this.#hostile('has the same extended header twice');
      if (type !== 'x' && !/^[^\0]+\0*$/.test(data.toString('latin1')))
        throw this.#hostile('has a NUL in its name');
      seen.set(type, data);
      blocks.push(header, padded);
    }
  }

  /** What a header means, and where the next one is. Names, types and sizes are checked here. */
  async understand(group: HeaderGroup): Promise<{ member: WalkedMember | undefined; end: number }> {
    this.#job.budget.countMember();
    const { header, records } = group;
    const type = typeOf(header);
    if (type === 'M' || type === 'N')
      throw archiveError(
        'ARCHIVE_UNSUPPORTED',
        this.#job.archive,
        'is a part of several, or of an old GNU format',
      );
    const size = this.#sizeOf(group);
    const read = await readHeaders(group.blocks);
    if (read.size !== size) throw this.#hostile('has a size on which programs would differ');
    const name = paxSparseName(records) ?? read.name;
    this.#last = name;
    if (group.hasLongName && records.some(([key]) => key === 'path'))
      throw this.#hostile('has two long names');

    const sparse = await this.#sparseOf(group, type, size);
    const dataOffset = this.#job.input.position;
    const end = dataOffset - (sparse?.mapBytes ?? 0) + Math.ceil(size / blockBytes) * blockBytes;
    if (end > (this.#job.input.sizeBytes ?? Infinity))
      throw new MalformedArchive(`it ends in the middle of ${shownName(name)}`);
    const kind = this.#kindOf(type, name, size);
    // The name of a volume is no name of a file.
    const clean = type === 'V' ? '' : this.#names.claim(name, kind);
    if (kind !== 'file') {
      if (kind === 'other')
        this.#job.onSkipped({ name: clean || name, why: leftOut[type] ?? `of the unknown type ${type}` });
      return { member: undefined, end };
    }
    const sizeBytes = sparse?.sizeBytes ?? size;
    this.#job.budget.announceBytes(sizeBytes);
    const dataExtents = sparse?.extents ?? [{ offset: 0, length: size }];
    const member = { name: clean, sizeBytes, dataOffset, isSparse: sparse !== undefined, dataExtents };
    return { member, end };
  }

  /** @returns undefined at the end mark, when everything behind it was seen to be zeros */
  async #nextHeader(withinGroup: boolean): Promise<Buffer | undefined> {
    const { input } = this.#job;
    const block = await input.peek(blockBytes);
    if (block.length < blockBytes) throw new MalformedArchive('it ends without the mark of its end');
    if (isZeroBlock(block)) {
      if (withinGroup) throw new MalformedArchive('it ends where a member should follow');
      if (await input.skipZeros())
        throw archiveError(
          'ARCHIVE_HOSTILE',
          this.#job.archive,
          'holds something behind the mark of its end',
        );
      return undefined;
    }
    if (!isTarHeader(block))
      throw new MalformedArchive(`the header behind ${JSON.stringify(this.#last)} is damaged`);
    // The input may use its buffer again.
    return Buffer.from(await input.read(blockBytes));
  }

  async #extendedData(header: Buffer): Promise<{ data: Buffer; padded: Buffer }> {
    const size = sizeIn(header);
    if (size === undefined || size === 0 || size > maxExtendedBytes)
      throw this.#hostile('has an extended header of an absurd size');
    const padded = Buffer.from(await this.#job.input.read(Math.ceil(size / blockBytes) * blockBytes));
    return { data: padded.subarray(0, size), padded };
  }

  /** Global headers may say what was forgotten, but not what a member is. */
  #checkGlobal(data: Buffer): void {
    this.#job.budget.countMember();
    const forbidden = this.#records(data).find(([key]) => /^(path|linkpath|size|GNU\.sparse\..*)$/.test(key));
    if (forbidden !== undefined)
      throw this.#hostile(`gives a ${forbidden[0]} to all members by a global header`);
  }

  #records(data: Buffer | undefined): PaxRecord[] {
    const records = data === undefined ? [] : paxRecords(data);
    if (records === undefined) throw this.#hostile('has an extended header with damaged records');
    const keys = records.map(([key]) => key).filter((key) => !/^GNU\.sparse\.(offset|numbytes)$/.test(key));
    if (new Set(keys).size < keys.length) throw this.#hostile('says the same twice in its extended header');
    return records;
  }

  /** Bytes that lie behind the header, as every program has to see them. */
  #sizeOf({ header, records }: HeaderGroup): number {
    const inHeader = sizeIn(header);
    if (inHeader === undefined) throw this.#hostile('has a size that is negative, absurd or no number');
    const text = records.find(([key]) => key === 'size')?.[1];
    if (text === undefined) return inHeader;
    const size = decimal(text);
    if (size === undefined) throw this.#hostile('has a size that is negative, absurd or no number');
    // An extended header is there for sizes that do not fit.
    if (size !== inHeader && size <= maxOctalBytes) throw this.#hostile('has two different sizes');
    return size;
  }

  #kindOf(type: string, name: string, size: number): MemberKind {
    const isDirectory = type === '5' || (type === '0' && name.endsWith('/'));
    if (size > 0 && (isDirectory || type in leftOut)) throw this.#hostile('has data, although it is no file');
    if (isDirectory) return 'directory';
    return '07S'.includes(type) ? 'file' : 'other';
  }

  /** Reads the map of a sparse file, which has to say as many bytes as there are. */
  async #sparseOf(
    { header, records }: HeaderGroup,
    type: string,
    size: number,
  ): Promise<SparseFile | undefined> {
    const inRecords = isPaxSparse(records);
    if (type !== 'S' && !inRecords) return undefined;
    const next = (count: number) => this.#job.input.read(count);
    const file =
      type === 'S' && !inRecords
        ? await oldGnuSparse(header, next)
        : type === '0'
          ? await paxSparse(records, next)
          : undefined;
    if (file === undefined || storedBytes(file) !== size)
      throw this.#hostile('has a map of its holes that does not fit');
    this.#job.budget.countExtents(file.extents.length);
    return file;
  }

  #hostile(rule: string): Error {
    return this.#names.hostile(this.#last, rule);
  }
}
