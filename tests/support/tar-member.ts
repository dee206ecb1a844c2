import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageWindow } from '../../contracts/values.ts';

const blockBytes = 512;

/** Puts files of a directory into a tar, in their order, as tar(1) writes it. */
export function makeTar(path: string, directory: string, names: readonly string[]): void {
  execFileSync('tar', ['--format=ustar', '-cf', path, '-C', directory, ...names]);
}

/** Where a member of a tar that {@link makeTar} wrote lies, by tar(1)'s own word. */
export function memberOf(path: string, directory: string, name: string): ImageWindow {
  const listing = execFileSync('tar', ['-tRf', path], { encoding: 'utf8' });
  const line = listing.split('\n').find((text) => text.endsWith(`: ${name}`)) ?? '';
  const header = Number(/^block (\d+):/.exec(line)?.[1]);
  return { name, offset: (header + 1) * blockBytes, sizeBytes: statSync(join(directory, name)).size };
}
