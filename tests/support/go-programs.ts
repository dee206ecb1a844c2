import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cachedDir, guestCacheDir } from '../guests/lib/cache.ts';
import { proxyEnv, run } from '../guests/lib/run.ts';

/** A Go module in one version, which go(1) checks against the public checksum database. */
export interface GoModule {
  /** Folder below the cache; its version is a folder below that. */
  name: string;
  version: string;
  /** Names of the programs, and the packages they are built from. */
  programs: Readonly<Record<string, string>>;
}

/** Builds the programs of a module, once: the first time may take minutes. @returns their directory */
export function goPrograms({ name, version, programs }: GoModule): Promise<string> {
  const home = join(dirname(guestCacheDir()), name, version);
  return cachedDir(home, async (partial) => {
    const go = Object.entries(process.env).filter(([variable]) => /^(GO\w+|HOME|PATH)$/.test(variable));
    const env = { ...proxyEnv(), ...(Object.fromEntries(go) as Record<string, string>), GOBIN: partial };
    for (const [program, source] of Object.entries(programs)) {
      await run('go', ['install', '-trimpath', '-ldflags=-s -w', `${source}@${version}`], {
        env,
        wallMs: 3_600_000,
      });
      // Under the name of its package, or of its module when that ends in a version.
      const built = basename(source);
      if (built !== program) await rename(join(partial, built), join(partial, program));
    }
  });
}
