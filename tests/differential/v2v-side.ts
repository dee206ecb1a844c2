import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { guestCacheDir } from '../guests/lib/cache.ts';
import { run, type Say } from '../guests/lib/run.ts';
import { convertWithV2v } from './conversion.ts';
import { listGuest, type Listing } from './listing.ts';

/** What virt-v2v-in-place made of a guest. */
export interface V2vSide {
  version: string;
  /** When it ran, ISO date and time. */
  date: string;
  seconds: number;
  before: Listing;
  after: Listing;
}

async function v2vVersion(): Promise<string> {
  return (await run('virt-v2v', ['--version'])).stdout.trim();
}

/**
 * Runs virt-v2v-in-place on a copy of a raw disk and lists the disk before and after. It takes a quarter of an
 * hour and more, and its result depends on the guest and its version alone: it is kept beside the guests.
 *
 * @param guest the guest's name with the digest of its recipe
 * @param fresh measures again, whatever is kept
 */
export async function v2vSide(
  guest: string,
  disk: string,
  scratch: string,
  { fresh, say }: { fresh: boolean; say: Say },
): Promise<V2vSide> {
  const version = await v2vVersion();
  const kept = join(
    dirname(guestCacheDir()),
    'differential',
    `${guest}-${version.replaceAll(' ', '-')}.json`,
  );
  if (!fresh && existsSync(kept)) return revive(await readFile(kept, 'utf8'));
  const copy = join(scratch, 'v2v.raw');
  await run('cp', ['--sparse=always', '--reflink=auto', disk, copy]);
  const { seconds } = await convertWithV2v(copy, say);
  say(`virt-v2v-in-place took ${Math.round(seconds)} s; listing`);
  const side: V2vSide = {
    version,
    date: new Date().toISOString(),
    seconds,
    before: await listGuest(disk, 'raw'),
    after: await listGuest(copy, 'raw'),
  };
  await run('rm', [copy]);
  await mkdir(dirname(kept), { recursive: true });
  await writeFile(
    `${kept}.new`,
    JSON.stringify({ ...side, before: [...side.before], after: [...side.after] }),
  );
  await rename(`${kept}.new`, kept);
  return side;
}

function revive(text: string): V2vSide {
  const { before, after, ...rest } = JSON.parse(text) as Omit<V2vSide, 'before' | 'after'> &
    Record<'before' | 'after', [string, string][]>;
  return { ...rest, before: new Map(before), after: new Map(after) };
}
