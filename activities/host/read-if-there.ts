import { readdir, readFile } from 'node:fs/promises';
import { hasErrno } from '../../contracts/errors.ts';

/** The text of a small file, or undefined when there is none. */
export function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(absent);
}

/** The names in a folder, none when there is no folder. */
export async function listIfThere(path: string): Promise<string[]> {
  return (await readdir(path).catch(absent)) ?? [];
}

function absent(error: unknown): undefined {
  if (!hasErrno(error, 'ENOENT')) throw error;
}
