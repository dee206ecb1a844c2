import { archiveError, shownName } from './errors.ts';

const maxNameBytes = 4096;
const maxComponentBytes = 255;
const maxComponents = 32;

/** Controls, and what turns text around or is not seen: the name would not be what it looks like. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;

export type MemberKind = 'file' | 'directory' | 'other';

interface KnownName {
  /** Number of this name, which begins the keys of those below it. */
  id: number;
  component: string;
  kind: MemberKind;
}

/**
 * The names of one archive's members. Each is refused that could lead out of a directory, stand for two files,
 * or mean another file to another program.
 */
export class MemberNames {
  readonly #archive: string;
  /** By number of the parent and folded last component, parents that no member stands for included. */
  readonly #known = new Map<string, KnownName>();

  constructor(archive: string) {
    this.#archive = archive;
  }

  /**
   * Takes the name of the next member.
   *
   * @returns it without `.` and needless slashes; empty for the root itself
   * @throws LonghaulError ARCHIVE_HOSTILE
   */
  claim(written: string, kind: MemberKind): string {
    const rule = brokenRule(written);
    if (rule !== undefined) throw this.hostile(written, rule);
    const components = written.split('/').filter((component) => component !== '' && component !== '.');
    if (components.length === 0 && kind !== 'directory') throw this.hostile(written, 'has no name');
    if (components.length > maxComponents)
      throw this.hostile(written, `lies more than ${maxComponents} folders deep`);
    let parent = 0;
    for (const [index, component] of components.entries())
      parent = this.#take(written, parent, component, index === components.length - 1 ? kind : 'parent');
    return components.join('/');
  }

  /** @param rule continues the sentence that begins with the member */
  hostile(member: string, rule: string): Error {
    return archiveError('ARCHIVE_HOSTILE', this.#archive, `has a member ${shownName(member)} that ${rule}`, {
      details: { member, rule },
    });
  }

  #take(written: string, parent: number, component: string, kind: MemberKind | 'parent'): number {
    const key = `${parent}/${component.normalize('NFKC').toLowerCase()}`;
    const known = this.#known.get(key);
    if (known === undefined) {
      const id = this.#known.size + 1;
      this.#known.set(key, { id, component, kind: kind === 'parent' ? 'directory' : kind });
      return id;
    }
    if (known.component !== component)
      throw this.hostile(
        written,
        `differs from ${shownName(known.component)} in case or form of letters only`,
      );
    if (kind === 'parent' && known.kind !== 'directory')
      throw this.hostile(written, `lies in ${shownName(component)}, which is no directory in the archive`);
    if (kind === 'file' || kind === 'other' || known.kind !== 'directory')
      throw this.hostile(written, known.kind === kind ? 'is there twice' : 'is there as two kinds of file');
    return known.id;
  }
}

function brokenRule(name: string): string | undefined {
  if (name.includes('\0')) return 'has a NUL in its name';
  if (name.includes('\ufffd')) return 'has a name that is not UTF-8';
  if (unprintable.test(name)) return 'has control characters in its name';
  if (name.includes('\\')) return 'has a backslash in its name';
  if (name.startsWith('/')) return 'has an absolute name';
  if (/^[a-z]:/i.test(name)) return 'has a drive letter in its name';
  if (Buffer.byteLength(name) > maxNameBytes) return `has a name of more than ${maxNameBytes} bytes`;
  const components = name.split('/');
  if (components.includes('..')) return 'leads upwards by `..`';
  if (components.some((component) => Buffer.byteLength(component) > maxComponentBytes))
    return `has a part of more than ${maxComponentBytes} bytes in its name`;
  return undefined;
}
