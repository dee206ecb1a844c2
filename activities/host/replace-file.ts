import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncPath } from './sync-path.ts';

/** Writes a small file, readable by its owner alone, that is there whole or as it was before, power cuts included. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, path);
  await syncPath(dirname(path));
}
