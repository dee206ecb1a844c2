import { rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedDir, guestCacheDir } from '../../guests/lib/cache.ts';
import { run } from '../../guests/lib/run.ts';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const product = ['contracts', 'workflows', 'activities', 'workers', 'client'];
const unknownRevision = 128;

/** A version of Longhaul as a host that was not upgraded yet runs it. */
export interface OlderVersion {
  commit: string;
  /** Its program, to be run by Node. */
  main: string;
}

/**
 * The version before an edition of migrations came, built from this repository's history and kept. It has the packages of
 * this checkout.
 *
 * @throws Error when the history does not go back that far, as in a shallow clone.
 */
export async function versionBefore(edition: number): Promise<OlderVersion> {
  const git = (...args: string[]) =>
    run('git', ['-C', checkout, ...args], { acceptExitCodes: [unknownRevision] });
  const { stdout: came } = await git(
    ...['log', '--reverse', '--format=%H', `-SnewestEdition = ${edition}`, '--', 'contracts'],
  );
  const { stdout } = await git('rev-parse', '--verify', '--quiet', `${came.split('\n')[0] ?? ''}^`);
  const commit = stdout.trim();
  if (!/^[0-9a-f]{40,64}$/.test(commit))
    throw new Error(
      `the version before edition ${edition} of migrations is not in this clone. A shallow one lacks it: git fetch --unshallow`,
    );
  const home = join(dirname(guestCacheDir()), 'older-versions', commit.slice(0, 12));
  await cachedDir(home, (partial) => build(commit, partial));
  await linkPackages(home);
  return { commit, main: join(home, 'dist/client/main.js') };
}

async function build(commit: string, directory: string): Promise<void> {
  const tar = join(directory, 'source.tar');
  const files = [...product, 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
  await run('git', ['-C', checkout, 'archive', `--output=${tar}`, commit, ...files]);
  await run('tar', ['-xf', tar, '-C', directory]);
  await linkPackages(directory);
  const node = (script: string, ...args: string[]) =>
    run(process.execPath, [join(directory, script), ...args]);
  await node('node_modules/typescript/bin/tsc', '-p', join(directory, 'tsconfig.build.json'));
  await node('dist/workers/bundle-workflows.js');
}

/** Anew each time: the checkout that built it may be gone. */
async function linkPackages(directory: string): Promise<void> {
  const link = join(directory, 'node_modules');
  await rm(link, { force: true });
  await symlink(join(checkout, 'node_modules'), link);
}
