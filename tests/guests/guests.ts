import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedDir, guestCacheDir, recipeHash } from './lib/cache.ts';
import { convertRaw, diskFileName, type GuestFormat } from './lib/formats.ts';
import { run, type Say } from './lib/run.ts';
import { rawDisk, type Recipe } from './recipes/recipe.ts';
import { data } from './recipes/data.ts';
import { debianBios, debianBiosNoVirtio } from './recipes/debian-bios.ts';
import { debianLeftovers } from './recipes/debian-leftovers.ts';
import { debianUefiLvm, debianUefiLvmNoFallback } from './recipes/debian-uefi-lvm.ts';
import { tinyData } from './recipes/tiny-data.ts';
import { tiny } from './recipes/tiny.ts';

const recipes = {
  tiny,
  'tiny-data': tinyData,
  data,
  'debian-bios': debianBios,
  'debian-bios-novirtio': debianBiosNoVirtio,
  'debian-leftovers': debianLeftovers,
  'debian-uefi-lvm': debianUefiLvm,
  'debian-uefi-lvm-nofallback': debianUefiLvmNoFallback,
} as const satisfies Record<string, Recipe>;

export type GuestName = keyof typeof recipes;

export const guestNames = Object.keys(recipes) as GuestName[];

/** One sentence on what a guest looks like. */
export function aboutGuest(name: GuestName): string {
  return recipes[name].about;
}

/**
 * Disks of a real guest as another hypervisor would have left it, in the guest's disk order. Builds what the
 * cache does not hold yet, which needs root, apt and, for Debian guests, a few minutes.
 *
 * @returns absolute paths of read-only files in the cache; copy a disk before writing to it, or use it as a
 *   backing file.
 */
export async function guestDisks(
  name: GuestName,
  format: GuestFormat,
  say: Say = () => undefined,
): Promise<string[]> {
  const recipe: Recipe = recipes[name];
  const home = join(guestCacheDir(), `${name}-${await hashOf(recipe)}`);
  const indexes = Array.from({ length: recipe.disks }, (_, index) => index);

  await mkdir(home, { recursive: true });
  const raw = await cachedDir(join(home, 'raw'), async (dir) => {
    await recipe.build(dir, say);
    // mke2fs writes its journal out as zeros.
    for (const index of indexes) await run('fallocate', ['--dig-holes', rawDisk(dir, index)]);
    await seal(dir);
  });
  if (format === 'raw') return indexes.map((index) => rawDisk(raw, index));

  const converted = await cachedDir(join(home, format), async (dir) => {
    say(`writing ${name} as ${format}`);
    for (const index of indexes) {
      await convertRaw(rawDisk(raw, index), join(dir, diskFileName(name, index, format)), format);
    }
    await seal(dir);
  });
  return indexes.map((index) => join(converted, diskFileName(name, index, format)));
}

/** A change of a recipe, of what it is made of or of the shared modules makes another guest. */
function hashOf(recipe: Recipe): Promise<string> {
  const here = import.meta.dirname;
  const paths = ['lib', 'recipes/recipe.ts', ...recipe.madeOf].map((path) => join(here, path));
  return recipeHash(paths, recipe.packages);
}

async function seal(dir: string): Promise<void> {
  for (const name of await readdir(dir)) await chmod(join(dir, name), 0o444);
}
