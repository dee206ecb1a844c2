import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readIfThere } from '../host/read-if-there.ts';
import { syncPath } from '../host/sync-path.ts';
import { isThere } from '../host/written-file.ts';
import type { SkippedMember } from './members.ts';

const digests = z.partialRecord(z.enum(['sha1', 'sha256', 'sha512']), z.string());

const member = z.strictObject({
  name: z.string(),
  sizeBytes: z.number().optional(),
  stored: z.strictObject({ sizeBytes: z.number(), digests }),
  file: z
    .strictObject({ path: z.string(), sizeBytes: z.number(), sha256: z.string(), inode: z.string() })
    .optional(),
});

const line = z.union([
  z.strictObject({ subject: z.string() }),
  z.strictObject({ member }),
  z.strictObject({ skipped: z.strictObject({ name: z.string(), why: z.string() }) }),
  z.strictObject({ refused: z.strictObject({ code: z.string(), found: z.string() }) }),
  z.strictObject({ whole: z.literal(true) }),
]);

type Line = z.infer<typeof line>;

export type RecordedMember = z.infer<typeof member>;

interface Known {
  members: Map<string, RecordedMember>;
  skipped: Map<string, string>;
  isWhole: boolean;
}

/**
 * What was extracted from an archive: one JSON document a line, appended and made durable after what it speaks of. It
 * ends with `whole` when all of it was, or with `refused` when nothing of it is there any more.
 */
export class ExtractRecord {
  readonly #file: FileHandle;
  readonly #known: Known;

  private constructor(file: FileHandle, known: Known) {
    this.#file = file;
    this.#known = known;
  }

  /**
   * Takes up the record of this subject, or begins one.
   *
   * @param subject tells the archive, and what is wanted of it, from any other
   * @param reset removes what was extracted; called when there is no record that fits
   */
  static async open(path: string, subject: string, reset: () => Promise<void>): Promise<ExtractRecord> {
    const known = await read(path, subject);
    if (known === undefined) {
      await rm(path, { force: true });
      await reset();
    }
    const file = await open(path, known === undefined ? 'ax' : 'a', 0o600);
    await file.chmod(0o600);
    const record = new ExtractRecord(file, known ?? nothing());
    if (known === undefined) await record.#append({ subject });
    await syncPath(dirname(path));
    return record;
  }

  /** What is known of a member, if its file is still there. */
  async find(name: string): Promise<RecordedMember | undefined> {
    const known = this.#known.members.get(name);
    return known !== undefined && (await hasItsFile(known)) ? known : undefined;
  }

  /** All that was extracted and left out, when the archive was read to its end and every file is there. */
  async whole(): Promise<{ members: RecordedMember[]; skipped: SkippedMember[] } | undefined> {
    const members = [...this.#known.members.values()];
    if (!this.#known.isWhole || (await Promise.all(members.map(hasItsFile))).includes(false))
      return undefined;
    return { members, skipped: [...this.#known.skipped].map(([name, why]) => ({ name, why })) };
  }

  async noteMember(noted: RecordedMember): Promise<void> {
    await this.#append({ member: noted });
  }

  noteWhole(skipped: readonly SkippedMember[]): Promise<void> {
    return this.#end(skipped, { whole: true });
  }

  noteRefused(refused: { code: string; found: string }, skipped: readonly SkippedMember[]): Promise<void> {
    return this.#end(skipped, { refused });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #end(skipped: readonly SkippedMember[], last: Line): Promise<void> {
    await this.#append(...skipped.map((each) => ({ skipped: each })), last);
  }

  async #append(...entries: Line[]): Promise<void> {
    // Begins a line of its own behind one that a kill cut short.
    await this.#file.appendFile(`\n${entries.map((each) => JSON.stringify(each)).join('\n')}\n`);
    await this.#file.datasync();
  }
}

const nothing = (): Known => ({ members: new Map(), skipped: new Map(), isWhole: false });

async function read(path: string, subject: string): Promise<Known | undefined> {
  const lines = ((await readIfThere(path)) ?? '').split('\n').flatMap(parsed);
  const [head] = lines;
  if (head === undefined || !('subject' in head) || head.subject !== subject) return undefined;
  const known = nothing();
  for (const each of lines) {
    if ('refused' in each) return undefined;
    if ('member' in each) known.members.set(each.member.name, each.member);
    if ('skipped' in each) known.skipped.set(each.skipped.name, each.skipped.why);
    if ('whole' in each) known.isWhole = true;
  }
  return known;
}

/** A line that a kill or a crash cut short says nothing. */
function parsed(text: string): Line[] {
  try {
    const result = line.safeParse(JSON.parse(text));
    return result.success ? [result.data] : [];
  } catch {
    return [];
  }
}

async function hasItsFile({ file }: RecordedMember): Promise<boolean> {
  return file === undefined || isThere(file);
}
