import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Where built guests live, outside the checkout. */
export function guestCacheDir(): string {
  const cacheHome = process.env['XDG_CACHE_HOME'];
  const base = cacheHome?.startsWith('/') ? cacheHome : join(homedir(), '.cache');
  return join(base, 'longhaul', 'guests');
}

/**
 * Runs `work` while no other process on this machine works under the same lock. The lock is flock(1)'s, held
 * by a child that waits on our pipe: the kernel drops it however we end.
 */
async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const holder = spawn('flock', ['--exclusive', path, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  holder.stdin.on('error', () => undefined);
  holder.stdin.write('held\n'); // cat answers once flock let it start
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(() => Promise.reject(new Error(`flock did not take ${path}; is util-linux installed?`))),
  ]);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/**
 * Makes the directory `path` once: `fill` writes into a temporary directory beside it, which gets the final
 * name when it is complete. A second caller waits for the first; what a killed one left is removed.
 *
 * @returns `path`
 */
export async function cachedDir(path: string, fill: (dir: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  const parent = dirname(path);
  const partialPrefix = `.partial-${basename(path)}-`;
  return withLock(join(parent, `.lock-${basename(path)}`), async () => {
    if (existsSync(path)) return path;
    for (const name of await readdir(parent)) {
      if (name.startsWith(partialPrefix)) await rm(join(parent, name), { recursive: true, force: true });
    }
    const partial = join(parent, `${partialPrefix}${process.pid}`);
    try {
      await mkdir(partial);
      await fill(partial);
      await rename(partial, path);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
    return path;
  });
}

/** Hash over the content of files and folders and some words: what a recipe is made of. 12 hex digits. */
export async function recipeHash(paths: readonly string[], words: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) await hashPath(hash, path);
  for (const word of words) hash.update(`\0${word}`);
  return hash.digest('hex').slice(0, 12);
}

async function hashPath(hash: ReturnType<typeof createHash>, path: string): Promise<void> {
  const names = await readdir(path).catch(() => undefined);
  if (names === undefined) {
    hash.update(`\0${basename(path)}\0`).update(await readFile(path));
    return;
  }
  for (const name of names.sort()) await hashPath(hash, join(path, name));
}
