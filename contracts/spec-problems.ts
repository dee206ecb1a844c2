import type { z } from 'zod';
import { looksLikeAddress } from './disk-address.ts';
import { didYouMean, nearest } from './nearest.ts';
import { isRecord } from './records.ts';
import { migrationSpec, type MigrationSpec } from './spec.ts';
import { keysAt, placesOf } from './spec-schema.ts';

type Issue = z.core.$ZodIssue;

/** One thing wrong with a spec. `path` leads to the value, or to the key when `atKey`. */
export interface SpecProblem {
  path: PropertyKey[];
  atKey: boolean;
  /** One sentence without the place, for example `must be one of qcow2, raw, not "qcow3"`. */
  message: string;
}

export type SpecCheck = { ok: true; spec: MigrationSpec } | { ok: false; problems: SpecProblem[] };

/** Validates a spec and fills in its defaults, or says everything that is wrong with it. */
export function checkSpec(value: unknown): SpecCheck {
  const result = migrationSpec.safeParse(value);
  if (result.success) return { ok: true, spec: result.data };
  return { ok: false, problems: problemsIn(result.error.issues, value, unknownKey) };
}

/** Says what is wrong with a key that is not known at a place. */
type SayUnknown = (key: string, path: readonly PropertyKey[], root: unknown) => string;

/** What zod found wrong with a value, in our words. */
export function problemsIn(issues: readonly Issue[], value: unknown, sayUnknown: SayUnknown): SpecProblem[] {
  return issues.flatMap((issue) => problemsOf(issue, value, [], sayUnknown));
}

/** `source.disks[0].path`; `the spec` for the top. */
export function placeName(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the spec';
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}

function problemsOf(issue: Issue, root: unknown, base: PropertyKey[], sayUnknown: SayUnknown): SpecProblem[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: [...path, key],
      atKey: true,
      message: sayUnknown(key, path, root),
    }));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const value = valueAt(root, path);
    const branch = likeliest(issue.errors);
    if (branch !== undefined)
      return onePerPlace(branch.flatMap((inner) => problemsOf(inner, root, path, sayUnknown)));
    const shapes = issue.errors.flatMap((issues) => issues.filter(isWrongShape).map(shapeOf));
    return [
      {
        path,
        atKey: false,
        message: `must be ${[...new Set(shapes)].join(' or ')}, not ${shown(value, path)}`,
      },
    ];
  }
  return [{ path, atKey: false, message: sentence(issue, valueAt(root, path), path) }];
}

/** Of several shapes that a value may have, what is wrong with it as the one that it comes nearest to. */
function likeliest(branches: readonly Issue[][]): Issue[] | undefined {
  const count = (issues: Issue[]) =>
    issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
  return branches
    .filter((issues) => !issues.some(isWrongShape))
    .toSorted((a, b) => count(a) - count(b))
    .at(0);
}

/** A value can break two rules at once ("too short" and "not a path"); the last says more. */
function onePerPlace(problems: SpecProblem[]): SpecProblem[] {
  return [...new Map(problems.map((problem) => [placeName(problem.path), problem])).values()];
}

const isWrongShape = (issue: Issue) => issue.code === 'invalid_type' && issue.path.length === 0;

function unknownKey(key: string, path: readonly PropertyKey[], root: unknown): string {
  const valid = keysAt(path);
  const parent = valueAt(root, path);
  const unused = valid.filter((name) => !(isRecord(parent) && name in parent));
  if (valid.includes(key)) {
    const others = valid.filter((name) => !unused.includes(name) && name !== key);
    const kind = isRecord(parent) ? parent.kind : undefined;
    if (typeof kind === 'string') return `is not a key of the kind ${kind}`;
    return `cannot stand beside ${others.join(' and ')}`;
  }
  const near = nearest(key, unused) ?? nearest(key, valid);
  const elsewhere = placesOf(key);
  if (elsewhere.length > 0 && near?.toLowerCase() !== key.toLowerCase())
    return `does not belong here; it is written as ${elsewhere.join(' or ')}`;
  if (near !== undefined) return `is not a key of the spec; did you mean "${near}"?`;
  return `is not a key of the spec; valid here: ${valid.join(', ')}`;
}

function sentence(issue: Issue, value: unknown, path: readonly PropertyKey[]): string {
  const found = shown(value, path);
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `is missing; it must be ${shapeOf(issue)}`
        : `must be ${shapeOf(issue)}, not ${found}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), value, path);
    case 'invalid_union':
      return oneOf(
        'options' in issue && issue.options !== undefined ? issue.options.map(String) : [],
        value,
        path,
      );
    case 'too_small':
      return `must ${bound(issue.origin, 'at least', issue.minimum)}, not ${measure(value, found)}`;
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', issue.maximum)}, not ${measure(value, found)}`;
    case 'invalid_format':
      return `${issue.message} (found ${found})`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return issue.message;
  }
}

function oneOf(options: string[], value: unknown, path: readonly PropertyKey[]): string {
  const choices = options.length === 1 ? (options[0] ?? '') : `one of ${options.join(', ')}`;
  if (value === undefined) return `is missing; it must be ${choices}`;
  return `must be ${choices}, not ${shown(value, path)}${typeof value === 'string' && options.length > 1 ? didYouMean(value, options) : ''}`;
}

function bound(origin: string, how: string, limit: number | bigint): string {
  if (origin === 'string') return `have ${how} ${limit} characters`;
  if (origin === 'array') return `have ${how} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `be ${how} ${limit}`;
}

function measure(value: unknown, found: string): string {
  return Array.isArray(value) ? `${value.length}` : found;
}

const shapeNames: Record<string, string> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function shapeOf(issue: Issue): string {
  return 'expected' in issue ? (shapeNames[issue.expected] ?? issue.expected) : 'something else';
}

/** A value as it may be shown: short, control characters escaped, and never what may be a secret. */
function shown(value: unknown, path: readonly PropertyKey[]): string {
  const secret = path.includes('luksKeys') || (path.includes('sshKeys') && path.at(-1) === 'key');
  if (secret && typeof value !== 'object') return 'something that is not shown, as it may be a secret';
  if (Array.isArray(value)) return 'a list';
  if (isRecord(value)) return 'a mapping';

  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string' && looksLikeAddress(value))
    return 'an address, which is not shown, as it may hold a secret';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 76)}..."` : text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return value[Number(part)];
    return isRecord(value) && Object.hasOwn(value, part) ? value[String(part)] : undefined;
  }, root);
}
