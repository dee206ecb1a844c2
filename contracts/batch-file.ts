import { z } from 'zod';
import type { BatchInput, BatchVm, Wave } from './batch.ts';
import {
  type BatchEntry,
  type BatchSelection,
  orders,
  override,
  type Selector,
  selectors,
  withoutUndefined,
} from './batch-select.ts';
import { type BatchRules, inOrder, merged, type PlacedVm, placedVm } from './batch-vms.ts';
import { nearest } from './nearest.ts';
import { vmName } from './spec-atoms.ts';
import { problemsIn, type SpecProblem } from './spec-problems.ts';
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
  order: z.enum(orders).default('listed'),
  onFailure: failurePolicy.default({ then: 'continue' }),
  waves: z
    .array(wave)
    .min(1)
    .max(100)
    .default([{ name: 'all', approval: false }]),
  /** What all VMs have in common: places of a spec. */
  defaults: z.record(z.string(), z.unknown()).default({}),
  /** Specs of VMs, in which what `defaults` says need not be said again; and their positions. */
  vms: z.array(z.record(z.string(), z.unknown())).max(100_000).default([]),
  /** Where VMs are looked up when it begins. */
  select: z.array(selectors).max(100).default([]),
  /** What is said of some of those that were found. */
  overrides: z.array(override).max(1000).default([]),
});

export interface BatchContent {
  input: BatchInput;
  /** The VMs of each wave that were written down, in the order in which they are begun. */
  vms: BatchVm[][];
}

export interface BatchPlan extends BatchContent {
  /** The VMs as they were written. */
  listed: BatchEntry[];
}

/** What a batch that begins without its file has to bring with it; see `parseBatchFile`. */
export const maxSelectionBytes = 48 * 1024;

/**
 * Reads a batch file in YAML 1.2 or JSON. Relative paths count from `baseDir`, as in a spec file.
 *
 * @throws LonghaulError BATCH_INVALID with every problem and its place
 */
export function parseBatchFile(text: string, fileName: string, baseDir: string): BatchPlan {
  const file = new YamlFile(text, fileName, batchKind);
  const parsed = batchFile.safeParse(file.value);
  if (!parsed.success) throw file.refusal(problemsIn(parsed.error.issues, file.value, unknownKey));
  const { name, atOnce, order, onFailure, waves, defaults, vms, select, overrides } = parsed.data;
  if (vms.length + select.length === 0)
    throw file.refusal([{ path: ['vms'], atKey: false, message: 'must name VMs, where there is no select' }]);
  const problems: SpecProblem[] = wavesOf({ select, overrides }, waves);
  const placed = vms.flatMap((entry, index) => {
    const result = placedVm(entry, { waves, defaults, baseDir });
    if ('vm' in result) return [result.vm];
    problems.push(...result.problems.map((problem) => located(problem, entry, index)));
    return [];
  });
  problems.push(...doubles(placed), ...problemsOfFound({ select, overrides }, { waves, defaults, baseDir }));
  const selection: BatchSelection = { select, listed: [], defaults, overrides, order };
  if (select.length > 0 && Buffer.byteLength(JSON.stringify(selection)) > maxSelectionBytes)
    problems.push({ path: ['overrides'], atKey: true, message: `has too much: ${tooMuch}` });
  if (problems.length > 0) throw file.refusal(once(problems));
  const input: BatchInput = {
    name,
    atOnce,
    onFailure: withoutUndefined(onFailure),
    waves: waves.map((each) => withoutUndefined(each) as Wave),
    ...(select.length > 0 ? { selection } : {}),
  };
  const listed = placed.map(({ written, ...at }) => ({ ...written, ...position(at, waves) }));
  return { input, listed, vms: waves.map((_wave, index) => inOrder(placed, index, order)) };
}

/** What is wrong in what is said of VMs that are still to be found, as those that each selector may find would show it. */
function problemsOfFound(
  { select, overrides }: Pick<BatchSelection, 'select' | 'overrides'>,
  rules: BatchRules,
): SpecProblem[] {
  return select.flatMap((selector) => {
    const examples = examplesOf(selector);
    const problemsWith = (said: BatchEntry) =>
      inAll(examples.map((entry) => problemsOf(merged(entry, said), rules)));
    const common = problemsWith({});
    const known = new Set(common.map(keyOf));
    const own = overrides.flatMap((said, index) =>
      problemsWith(withoutUndefined({ ...said, names: undefined, wave: undefined }))
        .filter((problem) => !known.has(keyOf(problem)))
        .map((problem) => ({ ...problem, path: ['overrides', index, ...problem.path] })),
    );
    return [...common.map((problem) => ({ ...problem, path: ['defaults', ...problem.path] })), ...own];
  });
}

function problemsOf(entry: BatchEntry, rules: BatchRules): SpecProblem[] {
  const result = placedVm(entry, rules);
  return 'problems' in result ? result.problems : [];
}

const placeOf = ({ path }: SpecProblem) => path.join('.');
const keyOf = (problem: SpecProblem) => `${placeOf(problem)} ${problem.message}`;

/** What is right for one kind of VM that may be found is right. Each kind has words of its own for what is wrong. */
const inAll = ([first = [], ...others]: SpecProblem[][]): SpecProblem[] =>
  first.filter((problem) =>
    others.every((other) => other.some((each) => placeOf(each) === placeOf(problem))),
  );

/** A VM of each kind that a selector may find. */
function examplesOf({ azure, files }: Selector): BatchEntry[] {
  if (files) {
    const path = `${files.directory}/vm`;
    return [{ source: { kind: 'image', disks: [path] } }, { source: { kind: 'archive', path } }];
  }
  const { subscription, login } = azure ?? {};
  return [
    { source: { kind: 'azure', subscription, resourceGroup: 'group', vm: 'vm', ...(login && { login }) } },
  ];
}

const position = (
  { wave, priority, sizeGiB }: Omit<PlacedVm, 'written'>,
  waves: readonly { name: string }[],
) => ({
  ...(wave === 0 ? {} : { wave: waves[wave]?.name }),
  ...(priority === 0 ? {} : { priority }),
  ...(sizeGiB === 0 ? {} : { sizeGiB }),
});

const tooMuch = `what is said for VMs that are looked up may have ${maxSelectionBytes / 1024} KiB in all`;

/** Waves that there are not, of what speaks of VMs that are still to be found. */
function wavesOf(
  said: { select: { wave?: string | undefined }[]; overrides: { wave?: string | undefined }[] },
  waves: readonly { name: string }[],
): SpecProblem[] {
  const names = waves.map(({ name }) => name);
  const message = `must be one of ${names.join(', ')}`;
  return (['select', 'overrides'] as const).flatMap((key) =>
    said[key].flatMap(({ wave }, index) =>
      wave === undefined || names.includes(wave)
        ? []
        : [{ path: [key, index, 'wave'], atKey: false, message }],
    ),
  );
}

/**
 * The same plan, for a batch that begins later without its file: all of it stands in the input.
 *
 * @returns what is too large about it, if it is
 */
export function selfContained({ input, listed }: BatchPlan): BatchInput | { tooLarge: number } {
  const none = { select: [], defaults: {}, overrides: [], order: 'listed' as const };
  const selection: BatchSelection = { ...(input.selection ?? none), listed };
  const bytes = Buffer.byteLength(JSON.stringify(selection));
  return bytes > maxSelectionBytes ? { tooLarge: bytes } : { ...input, selection, unattended: true };
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const shape =
    path[0] === 'waves'
      ? wave.shape
      : path[0] === 'onFailure'
        ? ['then', 'failures', 'percent']
        : path[0] === 'select'
          ? selectKeys(path)
          : batchFile.shape;
  const valid = Array.isArray(shape) ? shape : Object.keys(shape);
  const near = nearest(key, valid);
  return near === undefined
    ? `is not a key of a batch; valid here: ${valid.join(', ')}`
    : `is not a key of a batch; did you mean "${near}"?`;
}

function selectKeys(path: readonly PropertyKey[]): string[] {
  const { azure, files } = selectors.shape;
  if (path[2] === 'azure') return Object.keys(azure.unwrap().shape);
  return Object.keys(path[2] === 'files' ? files.unwrap().shape : selectors.shape);
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
  ...new Map(problems.map((each) => [keyOf(each), each])).values(),
];

/** Two with the same name would be the same domain; two of one source the same migration. */
function doubles(vms: readonly PlacedVm[]): SpecProblem[] {
  const known = new Map<string, number>();
  return vms.flatMap(({ spec: { name } }, index) => {
    const first = known.get(name);
    if (first === undefined) known.set(name, index);
    return first === undefined
      ? []
      : [{ path: ['vms', index], atKey: false, message: `has the name ${name}, as vms[${first}] has` }];
  });
}
