import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import type { Guestfs } from '../../activities/guest/session/guestfs.ts';
import type { LonghaulError } from '../../contracts/errors.ts';
import type { FixOutcome, GuestFacts } from '../../contracts/values.ts';
import { run } from '../guests/lib/run.ts';
import type { TreeEntry } from './files.ts';

/** What was seen in a tree and what the fixes made of it, as text for people to review. */
export function goldenText(
  facts: GuestFacts,
  outcomes: readonly FixOutcome[],
  changes: readonly string[],
): string {
  const seen: Partial<GuestFacts> = { ...facts };
  delete seen.timings;
  const fixes = outcomes
    .filter(({ changes: made, warnings }) => made.length + warnings.length > 0)
    .map(({ fix, changes: made, warnings }) => ({
      fix,
      ...(made.length > 0 ? { changes: made.map(({ path, what }) => `${path}: ${what}`) } : {}),
      ...(warnings.length > 0 ? { warnings } : {}),
    }));
  const yaml = stringify({ facts: seen, fixes }, { lineWidth: 0 });
  return `${yaml}\n${changes.join('\n')}`;
}

/** What was seen in a tree, and why it is not migrated. */
export function refusalText(facts: GuestFacts | undefined, { code, found, remedy }: LonghaulError): string {
  const seen: Partial<GuestFacts> = { ...facts };
  delete seen.timings;
  return stringify(
    { facts: facts === undefined ? 'none' : seen, refused: { code, found, remedy } },
    { lineWidth: 0 },
  );
}

/**
 * Every one of `paths` whose file, link or mode is not the manifest's any more, as a diff each.
 *
 * @param fat mount points of file systems that keep no modes
 */
export async function changesOf(
  guest: Guestfs,
  manifest: ReadonlyMap<string, TreeEntry>,
  paths: readonly string[],
  fat: readonly string[],
): Promise<string[]> {
  const changes: string[] = [];
  const plain = (path: string, entry: TreeEntry): TreeEntry =>
    entry.kind === 'file' && fat.some((at) => path.startsWith(`${at}/`)) ? { ...entry, mode: 0o644 } : entry;
  const before = new Map([...manifest].map(([path, entry]) => [path, plain(path, entry)]));
  const real = paths.map((path) => throughLinks(path, before));
  for (const path of [...new Set(real)].sort()) {
    const then = before.get(path);
    const found = await entryAt(guest, path);
    const now = found && plain(path, found);
    const head = headOf(path, then, now);
    const diff = await textDiff(path, then, now);
    if (head !== undefined || diff !== '') changes.push([head ?? `changed ${path}`, diff].join('\n'));
  }
  return changes;
}

/** A path below a folder that is a link in the manifest (/lib, /bin), as the manifest has the file itself. */
function throughLinks(path: string, before: ReadonlyMap<string, TreeEntry>): string {
  const parts = path.split('/');
  for (let length = 2; length < parts.length; length++) {
    const parent = parts.slice(0, length).join('/');
    const entry = before.get(parent);
    if (entry?.kind === 'link')
      return throughLinks(join(dirname(parent), entry.target, ...parts.slice(length)), before);
  }
  return path;
}

async function entryAt(guest: Guestfs, path: string): Promise<TreeEntry | undefined> {
  // A file in the way of the path, or nothing at all.
  if (!(await guest.exists(path).catch(() => false))) return undefined;
  if (await guest.isSymlink(path)) return { kind: 'link', target: await guest.readlink(path) };
  if (await guest.isDir(path)) return undefined;
  const { mode } = await guest.stat(path);
  return { kind: 'file', content: await guest.readFile(path), mode: mode & 0o7777 };
}

function headOf(path: string, then: TreeEntry | undefined, now: TreeEntry | undefined): string | undefined {
  const said = (entry: TreeEntry) =>
    entry.kind === 'link'
      ? `link ${path} -> ${entry.target}`
      : `${entry.kind} ${path} ${entry.mode.toString(8)}`;
  if (then === undefined || then.kind === 'directory')
    return now === undefined ? undefined : `new ${said(now)}`;
  if (now === undefined) return `removed ${said(then)}`;
  return said(then) === said(now) ? undefined : `${said(then)} is now ${said(now)}`;
}

async function textDiff(
  path: string,
  then: TreeEntry | undefined,
  now: TreeEntry | undefined,
): Promise<string> {
  const text = (entry: TreeEntry | undefined) => (entry?.kind === 'file' ? entry.content : Buffer.alloc(0));
  const [a, b] = [text(then), text(now)];
  if (a.equals(b)) return '';
  const dir = await mkdtemp(join(tmpdir(), 'golden-'));
  try {
    await writeFile(join(dir, 'a'), a);
    await writeFile(join(dir, 'b'), b);
    const args = ['-u', '--label', `a${path}`, '--label', `b${path}`, join(dir, 'a'), join(dir, 'b')];
    return (await run('diff', args, { acceptExitCodes: [0, 1] })).stdout;
  } finally {
    await rm(dir, { recursive: true });
  }
}
