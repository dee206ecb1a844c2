import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../contracts/error-codes.ts';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import type { StepIo } from '../host/step-io.ts';
import { assertUnchanged, identify } from '../image/identity.ts';
import { Digester, type DigestName, type Digests } from './digests.ts';
import { archiveError, shownName } from './errors.ts';
import { ExtractRecord, type RecordedMember } from './extract-record.ts';
import { diskHeadBytes } from './find-disks.ts';
import { joinedParts } from './joined-parts.ts';
import { type ArchiveKind, kindOfHead } from './kinds.ts';
import { ArchiveBudget, type ArchiveLimits } from './limits.ts';
import { makeFolder, MemberFile } from './member-file.ts';
import type { ArchiveMember, OpenMember, SkippedMember } from './members.ts';
import { readMembers } from './read-members.ts';
import { FreeSpaceGuard } from './free-space-guard.ts';

/**
 * What is to become of a member:
 * `write` it to a file; `unpack` it, which is an archive or compressed: each of its own members is asked about, and
 * what is merely compressed is written; `check` its digests only; `skip` it.
 */
export type Wish = 'write' | 'unpack' | 'check' | 'skip';

export interface ExtractJob {
  path: string;
  /** Made if missing, with `record` and, below `files/`, the members; nothing else may lie in it. */
  directory: string;
  limits: ArchiveLimits;
  /** Asked about each member that is safe, with its first `diskHeadBytes` and what they say it is. */
  want: (member: ArchiveMember & { head: Buffer; kind: ArchiveKind }) => Wish;
  /** Tells wishes from others: what was extracted for another purpose is not used. */
  purpose: string;
  /** Disks that were cut into parts are put together; see `joinedParts`. */
  joinParts?: { named: readonly string[] | undefined };
  /** Besides SHA-256, over the bytes of members as they lie in the archive (for manifests). */
  digests?: readonly DigestName[];
  io: StepIo;
}

export interface ExtractedMember extends ArchiveMember {
  /** As it lies in the archive, before anything that `unpack` did. */
  stored: { sizeBytes: number; digests: Digests };
  /** Where it was written, unless it was only checked or is an archive that was unpacked. */
  file?: { path: string; sizeBytes: number; sha256: string };
}

export interface Extracted {
  members: ExtractedMember[];
  skipped: SkippedMember[];
}

/** A heartbeat is due more often than that. */
const tellEveryMs = 1_000;

/** The archive is to blame: nothing of it is used. */
const refusals: readonly ErrorCode[] = [
  'ARCHIVE_HOSTILE',
  'ARCHIVE_LIMIT',
  'ARCHIVE_DAMAGED',
  'ARCHIVE_INCOMPLETE',
  'ARCHIVE_UNSUPPORTED',
];

/**
 * Extracts wanted members into a directory. Called again after whatever ended it, it goes on at the member it was
 * in. Every file has its name only when it is whole and durable, is for its owner only, and has holes for zeros. An
 * archive that is refused leaves nothing but the record that says why. One caller at a time: hold a lock.
 *
 * @throws what `readMembers` throws; LonghaulError SPACE_INSUFFICIENT, SOURCE_CHANGED
 */
export async function extract(job: ExtractJob): Promise<Extracted> {
  const { path, directory } = job;
  const place = { files: join(directory, 'files'), partial: join(directory, 'partial') };
  const clear = async () => {
    for (const each of Object.values(place)) await rm(each, { recursive: true, force: true });
  };
  const identity = await identify([path]);
  const subject = JSON.stringify([identity, job.purpose, job.digests ?? []]);
  await makeFolder(directory);
  const record = await ExtractRecord.open(join(directory, 'record'), subject, clear);
  const extraction = new Extraction(job, place, record, identity[0]?.sizeBytes ?? 0);
  try {
    const known = await record.whole();
    if (known !== undefined) return known;
    await makeFolder(place.files);
    const extracted = await extraction.run();
    await assertUnchanged(identity);
    await record.noteWhole(extracted.skipped);
    return extracted;
  } catch (error) {
    if (error instanceof LonghaulError && refusals.includes(error.code)) {
      await clear();
      await record.noteRefused({ code: error.code, found: error.found }, extraction.skipped);
    }
    throw error;
  } finally {
    await record.close();
  }
}

/** One pass over an archive. */
class Extraction {
  readonly #job: ExtractJob;
  readonly #place: { files: string; partial: string };
  readonly #record: ExtractRecord;
  readonly #budget: ArchiveBudget;
  readonly #room: FreeSpaceGuard;
  readonly #extracted: Extracted = { members: [], skipped: [] };

  constructor(
    job: ExtractJob,
    place: { files: string; partial: string },
    record: ExtractRecord,
    archiveBytes: number,
  ) {
    this.#job = job;
    this.#place = place;
    this.#record = record;
    this.#budget = new ArchiveBudget(job.path, archiveBytes, job.limits);
    this.#room = new FreeSpaceGuard(job.path, place.files, job.limits.reserveBytes);
  }

  get skipped(): readonly SkippedMember[] {
    return this.#extracted.skipped;
  }

  async run(): Promise<Extracted> {
    const members = readMembers({
      path: this.#job.path,
      budget: this.#budget,
      signal: this.#job.io.signal,
      onSkipped: (each) => this.#extracted.skipped.push(each),
      toFile: (name, content) =>
        this.#fill({ name }, content, { onPiece: () => undefined, finish: (file) => file.anonymous() }),
    });
    const { path, joinParts } = this.#job;
    const all = joinParts === undefined ? members : joinedParts(path, members, joinParts.named);
    for await (const member of all) await this.#take(member);
    return this.#extracted;
  }

  async #take(member: OpenMember): Promise<void> {
    const wish = await this.#wishFor(member);
    if (wish === 'skip') {
      this.#extracted.skipped.push({ name: member.name, why: 'not wanted' });
      return;
    }
    const known = await this.#known(wish, member);
    const result = known ?? (await this.#carryOut(wish, member));
    if (known === undefined) await this.#record.noteMember(result);
    this.#extracted.members.push(result);
  }

  /** Archives are gone through again, for what is known of their members. */
  async #known(wish: Wish, member: OpenMember): Promise<RecordedMember | undefined> {
    const known = await this.#record.find(member.name);
    return wish === 'unpack' && known?.file === undefined ? undefined : known;
  }

  async #wishFor(member: OpenMember): Promise<Wish> {
    const head = await member.head(diskHeadBytes);
    return this.#job.want({ ...plain(member), head, kind: kindOfHead(head) });
  }

  #carryOut(wish: Exclude<Wish, 'skip'>, member: OpenMember): Promise<RecordedMember> {
    switch (wish) {
      case 'write':
        return this.#write(member);
      case 'unpack':
        return this.#unpack(member);
      case 'check':
        return this.#check(member);
    }
  }

  async #check(member: OpenMember): Promise<RecordedMember> {
    const digester = this.#digester();
    for await (const piece of this.#reporting(member, member.body())) digester.update(piece);
    return { ...plain(member), stored: { sizeBytes: digester.sizeBytes, digests: digester.digests() } };
  }

  async #write(member: OpenMember): Promise<RecordedMember> {
    const digester = this.#digester();
    const inode = await this.#fill(member, member.body(), {
      onPiece: (piece) => digester.update(piece),
      finish: (file) => file.finish(this.#place.files, member.name),
    });
    const stored = { sizeBytes: digester.sizeBytes, digests: digester.digests() };
    const { sizeBytes, digests } = stored;
    const path = join(this.#place.files, member.name);
    return { ...plain(member), stored, file: { path, sizeBytes, sha256: digests.sha256 ?? '', inode } };
  }

  /** Puts bytes into a file as long as there is room. */
  async #fill<T>(
    member: ArchiveMember,
    content: AsyncGenerator<Buffer>,
    { onPiece, finish }: { onPiece: (piece: Buffer) => void; finish: (file: MemberFile) => Promise<T> },
  ): Promise<T> {
    const file = await MemberFile.begin(this.#place.partial);
    try {
      for await (const piece of this.#reporting(member, content)) {
        const before = file.writtenBytes;
        await file.append(piece);
        onPiece(piece);
        await this.#room.tell(file.writtenBytes - before, restOf(member, file));
      }
      return await finish(file);
    } catch (error) {
      await file.discard();
      throw this.#typed(member, await this.#room.typed(error, restOf(member, file)));
    }
  }

  /** What is merely compressed becomes a file of the member's name, if that is wanted once it is seen. */
  async #unpack(member: OpenMember): Promise<RecordedMember> {
    const stored = this.#digester();
    let file: RecordedMember['file'];
    const body = digested(member.body(), stored);
    for await (const inner of member.unpack(body)) {
      if (inner.name !== member.name) await this.#take(inner);
      else if ((await this.#wishFor(inner)) === 'write') ({ file } = await this.#write(inner));
    }
    if (member.sizeBytes !== undefined && stored.sizeBytes !== member.sizeBytes)
      throw archiveError(
        'ARCHIVE_HOSTILE',
        this.#job.path,
        `has a member ${shownName(member.name)} that goes on behind its end`,
      );
    const result = { ...plain(member), stored: { sizeBytes: stored.sizeBytes, digests: stored.digests() } };
    return file === undefined ? result : { ...result, file };
  }

  async *#reporting({ name }: ArchiveMember, content: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
    const { io } = this.#job;
    let [doneBytes, toldAt] = [0, -Infinity];
    for await (const piece of content) {
      io.signal.throwIfAborted();
      doneBytes += piece.length;
      if (performance.now() - toldAt > tellEveryMs) {
        toldAt = performance.now();
        io.report(`unpacking ${name}: ${formatBytes(doneBytes)}`);
      }
      yield piece;
    }
  }

  #digester(): Digester {
    return new Digester(['sha256', ...(this.#job.digests ?? [])]);
  }

  /** Names that the archive may have, and this file system may not. */
  #typed(member: ArchiveMember, error: unknown): unknown {
    if (!hasErrno(error, 'ENAMETOOLONG')) return error;
    const what = `has a member ${shownName(member.name)} whose name is too long for ${this.#place.files}`;
    return archiveError('ARCHIVE_HOSTILE', this.#job.path, what, { cause: error });
  }
}

async function* digested(content: AsyncGenerator<Buffer>, digester: Digester): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    digester.update(piece);
    yield piece;
  }
}

const plain = ({ name, sizeBytes }: ArchiveMember): ArchiveMember =>
  sizeBytes === undefined ? { name } : { name, sizeBytes };

const restOf = ({ sizeBytes = 0 }: ArchiveMember, file: MemberFile): number =>
  Math.max(0, sizeBytes - file.sizeBytes);
