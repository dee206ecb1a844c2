import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTar } from './tar-member.ts';

export interface OvaOptions {
  /** Of the directory that it is put together in. */
  directory: string;
  descriptor: string;
  /** Names of the files that lie in the directory already, in their order. */
  files: readonly string[];
  /** Lines of the manifest by the right ones; absent: right. `none`: there is no manifest. */
  manifest?: ((lines: string[]) => string[]) | 'none';
  algorithm?: 'sha1' | 'sha256' | 'sha512';
}

/** Puts `web01.ovf` and `web01.mf` beside the files of a package. @returns names in the order of an OVA */
export async function writePackage(options: OvaOptions): Promise<string[]> {
  const {
    directory,
    descriptor,
    files,
    manifest = (lines: string[]) => lines,
    algorithm = 'sha256',
  } = options;
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'web01.ovf'), descriptor);
  if (manifest === 'none') return ['web01.ovf', ...files];
  const lines: string[] = [];
  for (const name of ['web01.ovf', ...files]) {
    const hex = createHash(algorithm)
      .update(await readFile(join(directory, name)))
      .digest('hex');
    lines.push(`${algorithm.toUpperCase()}(${name})= ${hex}`);
  }
  await writeFile(join(directory, 'web01.mf'), `${manifest(lines).join('\n')}\n`);
  return ['web01.ovf', 'web01.mf', ...files];
}

/** The same as one file. */
export async function writeOva(path: string, options: OvaOptions): Promise<void> {
  makeTar(path, options.directory, await writePackage(options));
}
