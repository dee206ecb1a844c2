import { z } from 'zod';
import type { BatchVm } from './batch.ts';
import {
  type BatchEntry,
  type BatchOrder,
  type Override,
  speaksOf,
  withoutUndefined,
} from './batch-select.ts';
import { migrationIdOf } from './ids.ts';
import { isRecord } from './records.ts';
import { withDefaults } from './spec-file.ts';
import { checkSpec, placeName, problemsIn, type SpecProblem } from './spec-problems.ts';

/** How entries of a batch become VMs with whole specs, whoever found them. */

const position = z.strictObject({
  wave: z.string().optional(),
  priority: z.int().default(0),
  sizeGiB: z.number().min(0).default(0),
});

export interface BatchRules {
  waves: readonly { name: string }[];
  defaults: Record<string, unknown>;
  /** Paths count from there. */
  baseDir: string;
}

export interface PlacedVm extends BatchVm {
  /** Index of its wave. */
  wave: number;
  priority: number;
  sizeGiB: number;
  /** Its spec as it was written, defaults of the batch filled in and those of specs not: it is smaller. */
  written: Record<string, unknown>;
}

/** The VM of an entry, what `defaults` says put below what it says itself. */
export function placedVm(
  entry: BatchEntry,
  { waves, defaults, baseDir }: BatchRules,
): { vm: PlacedVm } | { problems: SpecProblem[] } {
  const { wave: waveName, priority, sizeGiB, ...own } = entry;
  const where = position.safeParse({ wave: waveName, priority, sizeGiB });
  if (!where.success)
    return { problems: problemsIn(where.error.issues, entry, (key) => `${key} is not known`) };
  const { wave: wanted, ...rest } = where.data;
  const wave = wanted === undefined ? 0 : waves.findIndex(({ name }) => name === wanted);
  const names = waves.map(({ name }) => name).join(', ');
  if (wave < 0) return { problems: [{ path: ['wave'], atKey: false, message: `must be one of ${names}` }] };
  const written = withDefaults(merged(defaults, own), baseDir) as Record<string, unknown>;
  const result = checkSpec(written);
  if (!result.ok) return { problems: result.problems };
  const { spec } = result;
  return { vm: { migrationId: migrationIdOf(spec), spec, wave, ...rest, written } };
}

/** An entry for a VM that was found, with what the overrides say of it. @param name what it is called where it was found */
export function overridden(entry: BatchEntry, name: string, overrides: readonly Override[]): BatchEntry {
  const said = overrides.filter((each) => speaksOf(each, name));
  // The patterns are no part of a spec.
  return said.reduce<BatchEntry>(
    (below, over) => withoutUndefined({ ...merged(below, over), names: undefined }),
    entry,
  );
}

/** Those of a wave in the order in which they are begun; large ones first, so that none is left for the end. */
export function inOrder(vms: readonly PlacedVm[], wave: number, order: BatchOrder): BatchVm[] {
  const weight = { listed: () => 0, priority: ofPriority, size: ofSize }[order];
  return vms
    .filter((vm) => vm.wave === wave)
    .toSorted((a, b) => weight(b) - weight(a))
    .map(({ migrationId, spec }) => ({ migrationId, spec }));
}

const ofPriority = ({ priority }: PlacedVm) => priority;
const ofSize = ({ sizeGiB }: PlacedVm) => sizeGiB;

/** Problems in one sentence. */
export const problemsText = (problems: readonly SpecProblem[]): string =>
  problems.map(({ path, message }) => `${placeName(path)} ${message}`).join('; ');

/** Maps are put together, anything else takes the other's place. */
export function merged(
  base: Record<string, unknown>,
  over: Record<string, unknown>,
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    result[key] = isRecord(below) && isRecord(value) ? merged(below, value) : value;
  }
  return result;
}
