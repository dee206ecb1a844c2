import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { hasErrno } from '../../contracts/errors.ts';
import { replaceFile } from '../host/replace-file.ts';
import { syncPath } from '../host/sync-path.ts';
import type { Extent } from './extents.ts';

/** What a journal is about. Any difference makes it worthless. */
export interface JournalSubject {
  /** Tells the bytes of the source from any others: an ETag, the id of a snapshot. */
  identity: string;
  sizeBytes: number;
  /** Of the chunks; see `extentsDigest`. */
  chunks: string;
  /** The file that is written: a journal says nothing of another one in its place. */
  inode: string;
}

/** The file that is written, as far as the journal needs it. */
export interface JournaledFile {
  /** Empties it, durably. */
  reset(): Promise<void>;
  /** Makes its bytes durable. */
  sync(): Promise<void>;
  /** Whether these bytes are there. If so they are written once more. */
  confirm(offset: number, sha256: string): Promise<boolean>;
}

const line = z.union([
  z.strictObject({
    subject: z.strictObject({
      identity: z.string(),
      sizeBytes: z.number(),
      chunks: z.string(),
      inode: z.string(),
    }),
  }),
  z.strictObject({ offset: z.int().min(0), sha256: z.string().length(64) }),
  z.strictObject({ settled: z.int().min(0) }),
]);
type Line = z.infer<typeof line>;

/**
 * Which chunks of a download are in the file, with a digest of each; one JSON document a line, appended.
 *
 * A chunk is noted once it was written. From time to time the file is synced and then the journal, with the number of
 * notes that are safe now. Whoever takes the journal up looks at the bytes of the others, and writes them once more:
 * after a sync that failed, pages that are lost on the disk may still be there, and clean, in the cache.
 */
export class Journal {
  readonly #file: FileHandle;
  readonly #data: JournaledFile;
  readonly #digests: Map<number, string>;
  /** Notes in the file, and how many of them are marked as safe. */
  #noted: number;
  #settled: number;
  /** Why the data could not be made durable. Nobody knows then which notes are true: none is made safe any more. */
  #failure: Error | undefined;

  private constructor(file: FileHandle, data: JournaledFile, digests: Map<number, string>) {
    this.#file = file;
    this.#data = data;
    this.#digests = digests;
    this.#noted = this.#settled = digests.size;
  }

  /** Takes up the journal of this subject, or begins one with an empty file. */
  static async open(path: string, subject: JournalSubject, data: JournaledFile): Promise<Journal> {
    const known = await read(path, subject);
    if (known === undefined) {
      // Gone before the file is emptied: a journal never speaks of bytes that are not there.
      await rm(path, { force: true });
      await syncPath(dirname(path));
      await data.reset();
    }
    // The failure of an earlier attempt may be told only now. All that it can have lost is written anew.
    await data.sync().catch(() => undefined);
    const digests = known?.settled ?? new Map<number, string>();
    for (const [offset, sha256] of known?.unsettled ?? [])
      if (await data.confirm(offset, sha256)) digests.set(offset, sha256);
    await data.sync();
    await replaceFile(path, textOf(subject, digests));
    return new Journal(await open(path, 'a', 0o600), data, digests);
  }

  has({ offset }: Extent): boolean {
    return this.#digests.has(offset);
  }

  /** @param sha256 of the chunk's bytes, in hexadecimal */
  async note({ offset }: Extent, sha256: string): Promise<void> {
    await append(this.#file, { offset, sha256 });
    this.#digests.set(offset, sha256);
    this.#noted += 1;
  }

  /** Makes durable what was noted. Once that failed it fails for good. */
  async settle(): Promise<void> {
    if (this.#failure) throw this.#failure;
    const settled = this.#noted;
    if (settled === this.#settled) return;
    try {
      await this.#data.sync();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    await append(this.#file, { settled });
    await this.#file.datasync();
    this.#settled = settled;
  }

  /** SHA-256 over offset, length and digest of every chunk, a line each in their order. */
  digestOf(chunks: readonly Extent[]): string {
    const hash = createHash('sha256');
    for (const { offset, length } of chunks)
      hash.update(`${offset} ${length} ${this.#digests.get(offset) ?? ''}\n`);
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Digests by offset. */
interface Known {
  settled: Map<number, string>;
  unsettled: Map<number, string>;
}

async function read(path: string, subject: JournalSubject): Promise<Known | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return await knownOf(file, subject);
  } finally {
    await file.close();
  }
}

async function knownOf(file: FileHandle, subject: JournalSubject): Promise<Known | undefined> {
  const settled = new Map<number, string>();
  let unsettled: [number, string][] = [];
  let [begun, safe] = [false, 0];
  for await (const text of file.readLines({ autoClose: false })) {
    const each = parsed(text);
    if (each === undefined) continue;
    if (!begun && !('subject' in each && isOf(each.subject, subject))) return undefined;
    begun = true;
    if ('offset' in each) unsettled.push([each.offset, each.sha256]);
    if (!('settled' in each)) continue;
    const more = unsettled.slice(0, each.settled - safe);
    for (const [offset, sha256] of more) settled.set(offset, sha256);
    unsettled = unsettled.slice(more.length);
    safe += more.length;
  }
  return begun ? { settled, unsettled: new Map(unsettled) } : undefined;
}

const isOf = (one: JournalSubject, other: JournalSubject): boolean =>
  one.identity === other.identity &&
  one.sizeBytes === other.sizeBytes &&
  one.chunks === other.chunks &&
  one.inode === other.inode;

/** A line that a kill or a crash cut short says nothing. */
function parsed(text: string): Line | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** A journal of which all is safe. */
function textOf(subject: JournalSubject, digests: ReadonlyMap<number, string>): string {
  const notes = Array.from(digests, ([offset, sha256]): Line => ({ offset, sha256 }));
  const all: Line[] = [{ subject }, ...notes, { settled: notes.length }];
  return `${all.map((each) => JSON.stringify(each)).join('\n')}\n`;
}

/** Begins a line of its own behind one that a full disk cut short. */
async function append(file: FileHandle, each: Line): Promise<void> {
  await file.appendFile(`\n${JSON.stringify(each)}\n`);
}
