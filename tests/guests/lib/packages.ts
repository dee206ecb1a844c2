import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { proxyEnv, run } from './run.ts';

/**
 * Downloads packages with the host's apt and unpacks them, maintainer scripts not run.
 * Before: `dir` exists. After: `dir` holds the files of all the packages.
 */
export async function unpackPackages(names: readonly string[], dir: string): Promise<void> {
  const debs = `${dir}.debs`;
  await mkdir(debs);
  await chmod(debs, 0o777); // apt downloads as its own user
  await downloadPackages(names, debs);
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['--extract', join(debs, deb), dir]);
  await run('rm', ['-r', debs]);
}

async function downloadPackages(names: readonly string[], into: string): Promise<void> {
  const fetch = () =>
    run('env', ['--chdir', into, 'apt-get', '--quiet', 'download', ...names], { env: proxyEnv() });
  try {
    await fetch();
  } catch {
    // Package lists older than the archive name files that are gone from it.
    await run('apt-get', ['--quiet', 'update'], { env: proxyEnv() });
    await fetch();
  }
}

/** The package a metapackage such as linux-image-cloud-amd64 stands for at present. */
export async function currentPackage(metapackage: string, prefix: string): Promise<string> {
  const { stdout } = await run('apt-cache', ['show', '--no-all-versions', metapackage]);
  const name = new RegExp(`^Depends:.*?(${prefix}[^ ,]+)`, 'm').exec(stdout)?.[1];
  if (name === undefined) throw new Error(`${metapackage} depends on no ${prefix}*; run apt-get update`);
  return name;
}
