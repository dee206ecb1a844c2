import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readIfThere } from '../host/read-if-there.ts';
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

const line = z.union([
  z.strictObject({
    subject: z.strictObject({
      identity: z.string(),
      sizeBytes: z.number(),
      chunks: z.string(),
      inode: z.string(),
    }),
  }),
  z.strictObject({ boot: z.string() }),
  z.strictObject({ offset: z.int().min(0), sha256: z.string().length(64) }),
  z.strictObject({ settled: z.int().min(0) }),
]);

/**
 * Which chunks of a download are in the file, with a digest of each; one JSON document a line, appended.
 *
 * A chunk is noted once it was written, which outlives a killed process, since the page cache does. From time to
 * time the file is synced and then the journal, with the number of notes of this boot that are safe now; those
 * outlive a power cut. The others are forgotten after a boot; random(4), `/proc/sys/kernel/random/boot_id`.
 */
export class Journal {
  readonly #file: FileHandle;
  readonly #digests: Map<number, string>;
  /** Notes of this boot in the file, and how many of them are marked as safe. */
  #noted: number;
  #settled: number;

  private constructor(file: FileHandle, known: Known) {
    this.#file = file;
    this.#digests = known.digests;
    this.#noted = known.noted;
    this.#settled = known.settled;
  }

  /**
   * Takes up the journal of this subject, or begins one.
   *
   * @param reset empties the file that is written, durably; called when there is no journal that fits.
   */
  static async open(path: string, subject: JournalSubject, reset: () => Promise<void>): Promise<Journal> {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const known = await read(path, subject, boot);
    if (known === undefined) {
      // Gone before the file is emptied: a journal never speaks of bytes that are not there.
      await rm(path, { force: true });
      await syncPath(dirname(path));
      await reset();
    }
    const file = await open(path, known === undefined ? 'ax' : 'a', 0o600);
    // Begins a line of its own behind one that a kill cut short.
    await append(file, [...(known === undefined ? [{ subject }] : []), { boot }]);
    if (known === undefined) {
      await file.datasync();
      await syncPath(dirname(path));
    }
    return new Journal(file, known ?? { digests: new Map(), noted: 0, settled: 0 });
  }

  has({ offset }: Extent): boolean {
    return this.#digests.has(offset);
  }

  /** @param sha256 of the chunk's bytes, in hexadecimal */
  async note({ offset }: Extent, sha256: string): Promise<void> {
    this.#digests.set(offset, sha256);
    await append(this.#file, [{ offset, sha256 }]);
    this.#noted += 1;
  }

  /** Makes durable what was noted. @param syncData syncs the file that is written */
  async settle(syncData: () => Promise<void>): Promise<void> {
    const settled = this.#noted;
    if (settled === this.#settled) return;
    await syncData();
    await append(this.#file, [{ settled }]);
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

interface Known {
  /** By offset. */
  digests: Map<number, string>;
  noted: number;
  settled: number;
}

async function read(path: string, subject: JournalSubject, boot: string): Promise<Known | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const lines = text.split('\n').flatMap(parsed);
  const [head] = lines;
  if (head === undefined || !('subject' in head)) return undefined;
  if (JSON.stringify(ordered(head.subject)) !== JSON.stringify(ordered(subject))) return undefined;

  const digests = new Map<number, string>();
  let [writtenIn, settled] = ['', 0];
  let notes: [number, string][] = [];
  for (const each of lines) {
    if ('boot' in each && each.boot !== writtenIn) [writtenIn, settled, notes] = [each.boot, 0, []];
    if ('offset' in each) notes.push([each.offset, each.sha256]);
    if ('settled' in each) {
      settled = Math.min(each.settled, notes.length);
      for (const [offset, sha256] of notes.slice(0, settled)) digests.set(offset, sha256);
    }
  }
  if (writtenIn !== boot) return { digests, noted: 0, settled: 0 };
  for (const [offset, sha256] of notes) digests.set(offset, sha256);
  return { digests, noted: notes.length, settled };
}

const ordered = ({ identity, sizeBytes, chunks, inode }: JournalSubject) => [
  identity,
  sizeBytes,
  chunks,
  inode,
];

/** A line that a kill or a crash cut short says nothing. */
function parsed(text: string): z.infer<typeof line>[] {
  try {
    const result = line.safeParse(JSON.parse(text));
    return result.success ? [result.data] : [];
  } catch {
    return [];
  }
}

async function append(file: FileHandle, lines: readonly z.infer<typeof line>[]): Promise<void> {
  await file.appendFile(`\n${lines.map((each) => JSON.stringify(each)).join('\n')}\n`);
}
