import { LonghaulError } from '../../../contracts/errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { PlannedChange } from './fix.ts';

/** Configuration files are small; anything larger is not what it says it is. */
const maxConfigBytes = 1024 * 1024;
/** A kernel takes 2048 characters of arguments, 4096 on some machines. */
const maxLineChars = 8192;
const maxSymlinks = 8;
const maxShownChars = 400;

/** A guest's text file. `text` is Latin-1, one character a byte, so that what is not edited stays as it was. */
export interface GuestText {
  /** Where the file really lies, symbolic links followed. */
  path: string;
  text: string;
}

/**
 * Reads a text file of the guest. Absent files, directories and devices give undefined; a file too large or
 * with NUL bytes gives undefined and a warning.
 */
export async function readGuestText(
  guest: Guestfs,
  path: string,
  warnings: string[],
): Promise<GuestText | undefined> {
  const real = await followLinks(guest, path);
  if (real === undefined || !(await guest.isFile(real))) return undefined;
  const { sizeBytes } = await guest.stat(real);
  if (sizeBytes > maxConfigBytes) {
    warnings.push(
      `${path} is ${sizeBytes} bytes long, too large for a configuration file; it was left alone.`,
    );
    return undefined;
  }
  const text = (await guest.readFile(real, maxConfigBytes)).toString('latin1');
  const flaw = flawOf(text);
  if (flaw !== undefined) {
    warnings.push(`${path} ${flaw} and is no configuration file; it was left alone.`);
    return undefined;
  }
  return { path: real, text };
}

/** Why a text is not looked at: the editors are for lines that people and programs write. */
export function flawOf(text: string): string | undefined {
  if (text.includes('\0')) return 'holds NUL bytes';
  const longest = text.split('\n').reduce((length, line) => Math.max(length, line.length), 0);
  return longest > maxLineChars ? `has a line of ${longest} characters` : undefined;
}

/** Plans to replace a file's text; undefined when `after` is what stands there. */
export function planText(file: GuestText, after: string, what: string): PlannedChange | undefined {
  if (after === file.text) return undefined;
  const shown = changedLines(file.text, after);
  return {
    path: file.path,
    what,
    ...shown,
    apply: async (guest) => {
      const now = (await guest.readFile(file.path, maxConfigBytes)).toString('latin1');
      if (now !== file.text) {
        throw new LonghaulError('GUEST_FIX_FAILED', {
          found: `${file.path} changed between planning and applying`,
          remedy: 'Retry the step; it starts from a fresh overlay.',
        });
      }
      await guest.replaceFile(file.path, Buffer.from(after, 'latin1'));
    },
  };
}

/** Plans a file of our own: written when absent or different. Its folder is made; `mode` is 0644 when left out. */
export async function planOwnFile(
  guest: Guestfs,
  path: string,
  content: string,
  what: string,
  mode?: number,
): Promise<PlannedChange | undefined> {
  if (await guest.isFile(path)) {
    const { sizeBytes } = await guest.stat(path);
    if (sizeBytes <= maxConfigBytes && (await guest.readFile(path)).toString('utf8') === content)
      return undefined;
  }
  return {
    path,
    what,
    after: shorten(content.trim()),
    apply: async (session) => {
      await session.mkdirP(path.slice(0, path.lastIndexOf('/')) || '/');
      await session.replaceFile(path, content);
      if (mode !== undefined) await session.chmod(mode, path);
    },
  };
}

/** One shell pattern for all of several absolute ones: each question costs the appliance as much as reading a file. */
export const anyOf = (patterns: readonly string[]): string =>
  `/{${patterns.map((pattern) => pattern.replace(/^\//, '')).join(',')}}`;

/** Follows symbolic links inside the guest by hand, so that the link's target is edited and not replaced. */
async function followLinks(guest: Guestfs, path: string): Promise<string | undefined> {
  let at = path;
  for (let hops = 0; hops < maxSymlinks; hops++) {
    if (!(await guest.isSymlink(at))) return at;
    const target = await guest.readlink(at);
    at = normalize(target.startsWith('/') ? target : `${at.slice(0, at.lastIndexOf('/'))}/${target}`);
  }
  return undefined;
}

function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The lines that differ, for people: short, without control characters. */
export function changedLines(before: string, after: string): { before: string; after: string } {
  const old = before.split('\n');
  const now = after.split('\n');
  const oldLines = new Set(old);
  const nowLines = new Set(now);
  return {
    before: shorten(old.filter((line) => !nowLines.has(line)).join('\n')),
    after: shorten(now.filter((line) => !oldLines.has(line)).join('\n')),
  };
}

function shorten(latin1: string): string {
  const text = Buffer.from(latin1, 'latin1')
    .toString('utf8')
    .replace(/[^\P{C}\n\t]/gu, '?');
  return text.length > maxShownChars ? `${text.slice(0, maxShownChars)}...` : text;
}
