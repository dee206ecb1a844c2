import { parse } from 'yaml';
import { LonghaulError, messageOf } from '../contracts/errors.ts';

/** A value for a place in the spec, `target.format` to `raw`; undefined takes the place out. */
export interface Setting {
  path: readonly (string | number)[];
  value: unknown;
}

/**
 * Reads `guest.root=/dev/sda2` as given to --set. The value is YAML, so that `true`, `4` and `[a, b]` are what
 * they look like; an empty one takes the key out. Throws OPTION_INVALID.
 */
export function parseSetting(text: string): Setting {
  const at = text.indexOf('=');
  const key = text.slice(0, at);
  if (at < 1 || !/^[\w-]+(\.[\w-]+|\[\d+\])*$/.test(key) || /\b(__proto__|constructor|prototype)\b/.test(key))
    throw new LonghaulError('OPTION_INVALID', {
      found: `"${text}" does not say what to set.`,
      remedy: 'Write KEY=VALUE, for example --set guest.root=/dev/sda2 or --set target.cpus=4.',
    });
  return { path: parsePath(key), value: parseValue(text.slice(at + 1)) };
}

/** Copies the spec and puts the settings in, in their order; parents that are not there are made. */
export function applySettings(spec: object, settings: readonly Setting[]): unknown {
  const copy: unknown = structuredClone(spec);
  for (const { path, value } of settings) put(copy, path, value);
  return copy;
}

type Container = Record<string | number, unknown>;

function put(root: unknown, path: readonly (string | number)[], value: unknown): void {
  let place = root as Container;
  for (const [index, part] of path.slice(0, -1).entries()) {
    const next = Object.hasOwn(place, part) ? place[part] : undefined;
    if (typeof next !== 'object' || next === null)
      place[part] = typeof path[index + 1] === 'number' ? [] : {};
    place = place[part] as Container;
  }
  const last = path.at(-1) ?? '';
  if (value === undefined) Reflect.deleteProperty(place, last);
  else place[last] = value;
}

function parsePath(key: string): (string | number)[] {
  return key.split('.').flatMap((part) => {
    const [name = '', ...indexes] = part.split('[');
    return [name, ...indexes.map((index) => Number.parseInt(index, 10))];
  });
}

function parseValue(text: string): unknown {
  if (text === '') return undefined;
  try {
    return parse(text, { maxAliasCount: 0 }) as unknown;
  } catch (error) {
    throw new LonghaulError(
      'OPTION_INVALID',
      {
        found: `The value ${JSON.stringify(text)} cannot be read: ${messageOf(error)}.`,
        remedy: 'Put it in quotes: --set \'KEY="VALUE"\'.',
      },
      error,
    );
  }
}
