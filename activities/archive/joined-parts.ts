import { LonghaulError } from '../../contracts/errors.ts';
import { archiveError, shownName } from './errors.ts';
import { type DiskCandidate, diskHeadBytes, diskOf } from './find-disks.ts';
import { kindOfHead } from './kinds.ts';
import type { OpenMember } from './members.ts';

interface Part {
  /** Of the file that was cut: the beginning of its parts' names. */
  whole: string;
  number: number;
}

/** What a name says: `image.part.00`, `image.part0`, `image.000`; `image.aa` as split(1) has it. */
function partOf(name: string): Part | undefined {
  const [, whole, tail = ''] = /^(.+\.(?:part\.?(?=\d))?)(\d+|[a-z]{2})$/.exec(name) ?? [];
  if (whole === undefined || (/\.\d$/.test(name) && !whole.endsWith('part.'))) return undefined;
  const letters = Array.from(tail, (letter) => letter.charCodeAt(0) - 'a'.charCodeAt(0));
  return {
    whole,
    number: /\d/.test(tail) ? Number(tail) : letters.reduce((sum, each) => 26 * sum + each, 0),
  };
}

/** Parts are counted from 0 or from 1. */
const isFirst = (part: Part | undefined): part is Part => part !== undefined && part.number < 2;

/** Whether one of these members goes on in one of the others. */
export function goOn(names: readonly string[], others: readonly string[]): boolean {
  const wholes = new Set(others.map((name) => partOf(name)?.whole));
  return names.map(partOf).some((part) => isFirst(part) && wholes.has(part.whole));
}

/**
 * Members as they come, but what was cut into parts is one member under the name of its first part, when that begins
 * as a disk, an archive or something compressed. The parts have to lie one behind the other.
 *
 * @param named disks that the operator means: each is a member of its own, whatever its name looks like
 * @throws LonghaulError ARCHIVE_INCOMPLETE for a gap, ARCHIVE_UNSUPPORTED when a part is a disk of its own,
 *   ARCHIVE_AMBIGUOUS when it may be one and none were named
 */
export async function* joinedParts(
  archive: string,
  members: AsyncGenerator<OpenMember>,
  named?: readonly string[],
): AsyncGenerator<OpenMember> {
  const joined = new Set<string>();
  try {
    for (let member = await nextOf(members); member !== undefined;) {
      const part = partOf(member.name);
      if (part !== undefined && joined.has(part.whole) && !(await isOwn(member, named)))
        throw apart(archive, member.name);
      if (isFirst(part) && (await begins(member))) {
        joined.add(part.whole);
        const series = new Series(archive, member, members, named);
        yield series.member;
        member = await series.end();
      } else {
        yield member;
        member = await nextOf(members);
      }
    }
  } finally {
    await members.return(undefined);
  }
}

/** Parts, read one behind the other. */
class Series {
  readonly member: OpenMember;
  #count = 1;
  readonly #archive: string;
  readonly #members: AsyncGenerator<OpenMember>;
  readonly #named: readonly string[] | undefined;
  /** The part whose bytes come next. */
  #part: OpenMember | undefined;
  #behind: OpenMember | undefined;

  constructor(
    archive: string,
    first: OpenMember,
    members: AsyncGenerator<OpenMember>,
    named: readonly string[] | undefined,
  ) {
    const { name, head, unpack } = first;
    this.member = { name, head, body: () => this.#body(), unpack };
    this.#archive = archive;
    this.#members = members;
    this.#named = named;
    this.#part = first;
  }

  /** Passes over what was not read. @returns the member behind */
  async end(): Promise<OpenMember | undefined> {
    while (this.#part !== undefined) await this.#advance(this.#part.name);
    return this.#behind;
  }

  async *#body(): AsyncGenerator<Buffer> {
    while (this.#part !== undefined) {
      yield* this.#part.body();
      await this.#advance(this.#part.name);
    }
  }

  async #advance(from: string): Promise<void> {
    const [last, next] = [partOf(from), await nextOf(this.#members)];
    const part = next && partOf(next.name);
    [this.#part, this.#behind] = [undefined, next];
    if (next === undefined || part?.whole !== last?.whole || (await this.#isAnother(next))) return;
    if (part?.number !== (last?.number ?? 0) + 1) throw apart(this.#archive, next.name);
    [this.#part, this.#behind] = [next, undefined];
    this.#count += 1;
  }

  /** Disks may be numbered, too: then the second one is a disk by its content. */
  async #isAnother(next: OpenMember): Promise<boolean> {
    if (this.#named?.includes(next.name) === true) return true;
    const disk = diskOf(next, await next.head(diskHeadBytes));
    if (disk === undefined) return false;
    if (!isSurely(disk)) {
      if (this.#named === undefined) throw this.#ambiguous(next.name);
      return false;
    }
    if (this.#count === 1) return true;
    const what = `has a member ${shownName(next.name)} that is a part by its name, and a disk by its content`;
    throw archiveError('ARCHIVE_UNSUPPORTED', this.#archive, what, { details: { member: next.name } });
  }

  #ambiguous(member: string): LonghaulError {
    const first = shownName(this.member.name);
    return new LonghaulError('ARCHIVE_AMBIGUOUS', {
      found: `${this.#archive} has a member ${shownName(member)} that goes on from ${first} by its name, and may be a disk by its content`,
      remedy: `Name the disks of the VM in source.disks, then retry: ${first} alone if it is a part of that, else both.`,
      details: { archive: this.#archive, member },
    });
  }
}

/** Of the disks that were named those whose names look like parts: what is joined depends on them. */
export const apartByName = (named: readonly string[] = []): string[] =>
  named.filter((name) => partOf(name) !== undefined);

async function nextOf(members: AsyncGenerator<OpenMember>): Promise<OpenMember | undefined> {
  const result: IteratorResult<OpenMember, unknown> = await members.next();
  return result.done === true ? undefined : result.value;
}

async function begins(member: OpenMember): Promise<boolean> {
  const head = await member.head(diskHeadBytes);
  const { container, compression } = kindOfHead(head);
  return container !== 'none' || compression !== 'none' || diskOf(member, head) !== undefined;
}

async function isOwn(member: OpenMember, named: readonly string[] = []): Promise<boolean> {
  if (named.includes(member.name)) return true;
  const disk = diskOf(member, await member.head(diskHeadBytes));
  return disk !== undefined && isSurely(disk);
}

/** A file system alone may be what begins with a part by chance. */
export const isSurely = ({ looksLike, partitioned }: DiskCandidate): boolean =>
  looksLike !== 'raw' || partitioned;

const apart = (archive: string, member: string): LonghaulError =>
  new LonghaulError('ARCHIVE_INCOMPLETE', {
    found: `${archive} has ${shownName(member)} where another part of that file should be`,
    remedy:
      'Pack all of its parts, one behind the other by their numbers; or join them (`cat`), and give the result.',
    details: { archive, member },
  });
