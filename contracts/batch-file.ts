import { z } from 'zod';
import type { BatchInput, BatchVm, FailurePolicy, Wave } from './batch.ts';
import { migrationIdOf } from './ids.ts';
import { nearest } from './nearest.ts';
import { isRecord } from './records.ts';
import { vmName } from './spec-atoms.ts';
import { withDefaults } from './spec-file.ts';
import { checkSpec, problemsIn, type SpecProblem } from './spec-problems.ts';
import { isTimeZone } from './time-window.ts';
import { type FileKind, YamlFile } from './yaml-file.ts';

/** Thousands of VMs with specs of their own. */
export const maxBatchLength = 32 * 1024 * 1024;

const batchKind: FileKind = {
  code: 'BATCH_INVALID',
  what: 'a batch',
  maxLength: maxBatchLength,
  oneOnly: 'a batch file holds one batch',
  remedy: (fileName) =>
    `Correct the file; \`longhaul batch check ${fileName}\` looks at it again without starting anything.`,
};

const timeOfDay = z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be a time like 20:00, in quotes');

const wave = z.strictObject({
  name: vmName,
  /** Waits for `longhaul batch approve` before it begins. */
  approval: z.boolean().default(false),
  window: z
    .strictObject({
      from: timeOfDay,
      to: timeOfDay,
      timeZone: z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin or UTC'),
    })
    .optional(),
});

const failurePolicy = z
  .strictObject({
    then: z.enum(['continue', 'stop-wave', 'stop-batch']),
    failures: z.int().min(1).optional(),
    percent: z.number().gt(0).max(100).optional(),
  })
  .refine(
    ({ then, failures, percent }) => then === 'continue' || failures !== undefined || percent !== undefined,
    {
      message: 'must say how many: failures, percent or both',
    },
  );

const batchFile = z.strictObject({
  name: vmName,
  atOnce: z.int().min(1).max(1000).default(10),
  order: z.enum(['listed', 'priority']).default('listed'),
  onFailure: failurePolicy.default({ then: 'continue' }),
  waves: z
    .array(wave)
    .min(1)
    .max(100)
    .default([{ name: 'all', approval: false }]),
  /** What all VMs have in common: places of a spec. */
  defaults: z.record(z.string(), z.unknown()).default({}),
  /** Specs of VMs, in which what `defaults` says need not be said again; and `wave` and `priority`. */
  vms: z.array(z.record(z.string(), z.unknown())).min(1).max(100_000),
});

const place = z.strictObject({ wave: z.string().optional(), priority: z.int().default(0) });

export interface BatchPlan {
  input: BatchInput;
  /** The VMs of each wave, in the order in which they are begun. */
  vms: BatchVm[][];
}

interface Placed extends BatchVm {
  wave: number;
  priority: number;
}

/**
 * Reads a batch file in YAML 1.2 or JSON. Relative paths count from `baseDir`, as in a spec file.
 *
 * @throws LonghaulError BATCH_INVALID with every problem and its place
 */
export function parseBatchFile(text: string, fileName: string, baseDir: string): BatchPlan {
  const file = new YamlFile(text, fileName, batchKind);
  const parsed = batchFile.safeParse(file.value);
  if (!parsed.success) throw file.refusal(problemsIn(parsed.error.issues, file.value, unknownKey));
  const { name, atOnce, order, onFailure, waves, defaults, vms } = parsed.data;
  const problems: SpecProblem[] = [];
  const placed = vms.flatMap((entry, index) => {
    const result = placedVm(entry, { waves, defaults, baseDir });
    if ('vm' in result) return [result.vm];
    problems.push(...result.problems.map((problem) => located(problem, entry, index)));
    return [];
  });
  problems.push(...doubles(placed));
  if (problems.length > 0) throw file.refusal(once(problems));
  const input: BatchInput = {
    name,
    atOnce,
    onFailure: withoutUndefined<FailurePolicy>(onFailure),
    waves: waves.map((each) => withoutUndefined<Wave>(each)),
  };
  return { input, vms: waves.map((_wave, index) => inOrder(placed, index, order)) };
}

function placedVm(
  entry: Record<string, unknown>,
  {
    waves,
    defaults,
    baseDir,
  }: { waves: { name: string }[]; defaults: Record<string, unknown>; baseDir: string },
): { vm: Placed } | { problems: SpecProblem[] } {
  const { wave: waveName, priority, ...own } = entry;
  const where = place.safeParse({ wave: waveName, priority });
  if (!where.success) return { problems: problemsIn(where.error.issues, entry, unknownKey) };
  const wave = where.data.wave === undefined ? 0 : waves.findIndex((each) => each.name === where.data.wave);
  const names = waves.map((each) => each.name).join(', ');
  if (wave < 0) return { problems: [{ path: ['wave'], atKey: false, message: `must be one of ${names}` }] };
  const result = checkSpec(withDefaults(merged(defaults, own), baseDir));
  if (!result.ok) return { problems: result.problems };
  const { spec } = result;
  return { vm: { migrationId: migrationIdOf(spec), spec, wave, priority: where.data.priority } };
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const shape =
    path[0] === 'waves'
      ? wave.shape
      : path[0] === 'onFailure'
        ? ['then', 'failures', 'percent']
        : batchFile.shape;
  const valid = Array.isArray(shape) ? shape : Object.keys(shape);
  const near = nearest(key, valid);
  return near === undefined
    ? `is not a key of a batch; valid here: ${valid.join(', ')}`
    : `is not a key of a batch; did you mean "${near}"?`;
}

/** What stands in neither the entry itself is of the defaults, and is shown there. */
function located(problem: SpecProblem, entry: Record<string, unknown>, index: number): SpecProblem {
  const [first] = problem.path;
  const isOwn = problem.path.length === 0 || (typeof first === 'string' && first in entry);
  const isMissing = problem.message.startsWith('is missing');
  const base = isOwn || isMissing ? ['vms', index] : ['defaults'];
  return { ...problem, path: [...base, ...problem.path] };
}

/** What is wrong in the defaults is wrong for each VM, and said once. */
const once = (problems: readonly SpecProblem[]): SpecProblem[] => [
  ...new Map(problems.map((each) => [`${each.path.join('.')} ${each.message}`, each])).values(),
];

/** Two with the same name would be the same domain; two of one source the same migration. */
function doubles(vms: readonly Placed[]): SpecProblem[] {
  const known = new Map<string, number>();
  return vms.flatMap(({ spec: { name } }, index) => {
    const first = known.get(name);
    if (first === undefined) known.set(name, index);
    return first === undefined
      ? []
      : [{ path: ['vms', index], atKey: false, message: `has the name ${name}, as vms[${first}] has` }];
  });
}

function inOrder(vms: readonly Placed[], wave: number, order: 'listed' | 'priority'): BatchVm[] {
  const mine = vms.filter((vm) => vm.wave === wave);
  const sorted = order === 'listed' ? mine : mine.toSorted((a, b) => b.priority - a.priority);
  return sorted.map(({ migrationId, spec }) => ({ migrationId, spec }));
}

/** Maps are put together, anything else takes the other's place. */
function merged(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    result[key] = isRecord(below) && isRecord(value) ? merged(below, value) : value;
  }
  return result;
}

/** A copy without keys that are undefined, as JSON would have it. */
const withoutUndefined = <T extends object>(value: { [Key in keyof T]: T[Key] | undefined }): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
