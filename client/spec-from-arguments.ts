import { resolve } from 'node:path';
import { looksLikeAddress } from '../contracts/disk-address.ts';
import { LonghaulError } from '../contracts/errors.ts';
import { maxSpecLength, parseSpecFile } from '../contracts/spec-file.ts';
import { checkSpec, placeName } from '../contracts/spec-problems.ts';
import type { MigrationSpec, MigrationSpecInput } from '../contracts/spec.ts';
import { vmNameFromPath } from '../contracts/vm-name.ts';
import { readWritten } from './read-file.ts';
import { applySettings, type Setting } from './settings.ts';

/**
 * The spec meant by the arguments of `migrate` and `plan`: one spec file (`-` for standard input), an archive with a
 * VM in it, or the VM's images in the order the guest sees them, with options on top. Throws SPEC_INVALID, OPTION_INVALID.
 */
export async function specFromArguments(
  args: readonly string[],
  settings: readonly Setting[],
): Promise<MigrationSpec> {
  const [first] = args;
  if (args.length === 1 && first !== undefined && isSpecFile(first)) {
    const spec = await readSpecFile(first);
    return settings.length === 0 ? spec : settledSpec(spec, settings);
  }
  const stray = args.find(isSpecFile);
  if (stray !== undefined)
    throw new LonghaulError('OPTION_INVALID', {
      found: `${stray} is a spec file, and other files are named beside it.`,
      remedy: 'Name one spec file, or the images of one VM; the disks of a spec stand in the spec.',
    });
  const places = args.map((place) => (looksLikeAddress(place) ? place : resolve(place)));
  const name = vmNameFromPath(places[0] ?? '');
  return settledSpec({ name, source: sourceOf(places) }, settings);
}

/** Endings of archives and of compressed disks; a plain disk in a file of such a name needs a spec file. */
const archiveEnding = /\.(ova|ovf|tar|t[gx]z|tzst|tbz2?|zip|gz|xz|zst|bz2)$/i;

function sourceOf(places: readonly string[]): MigrationSpecInput['source'] {
  const archive = places.find((place) => archiveEnding.test(place));
  if (archive === undefined) return { kind: 'image', disks: [...places] };
  if (places.length > 1)
    throw new LonghaulError('OPTION_INVALID', {
      found: `${archive} is an archive, and other files are named beside it.`,
      remedy: 'Name one archive, with all disks of the VM in it, or the images of one VM.',
    });
  return looksLikeAddress(archive) ? { kind: 'archive', url: archive } : { kind: 'archive', path: archive };
}

/** Reads and validates a spec file; `-` reads standard input, whose relative paths count from here. */
export function readSpecFile(path: string): Promise<MigrationSpec> {
  const remedy = 'Name a spec file in YAML or JSON that exists and is readable; docs/spec.md has examples.';
  return readWritten(path, { code: 'SPEC_INVALID', remedy, maxLength: maxSpecLength }, parseSpecFile);
}

/** A spec with settings applied, validated anew. Throws SPEC_INVALID naming what does not fit. */
export function settledSpec(spec: MigrationSpecInput, settings: readonly Setting[]): MigrationSpec {
  const result = checkSpec(applySettings(spec, settings));
  if (result.ok) return result.spec;
  const list = result.problems.map(({ path, message }) => `\n  ${placeName(path)}: ${message}`).join('');
  throw new LonghaulError('SPEC_INVALID', {
    found: `The migration asked for is not valid.${list}`,
    remedy: 'Correct the options; docs/spec.md says what each key takes.',
    details: { problems: result.problems.map(({ path, message }) => ({ path: placeName(path), message })) },
  });
}

function isSpecFile(path: string): boolean {
  return path === '-' || (!looksLikeAddress(path) && /\.(ya?ml|json)$/i.test(path));
}
