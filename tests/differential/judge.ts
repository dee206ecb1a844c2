import { changedPaths, type Listing } from './listing.ts';

/** A difference that is as it should be, and why. */
export interface Explanation {
  /** Whole path in the guest. */
  path: RegExp;
  /** Whose change it is: virt-v2v's alone, ours alone, or of both with another result. */
  by: Difference['by'];
  reason: string;
}

export interface Difference {
  path: string;
  by: 'virt-v2v' | 'ours' | 'both';
  before: string | undefined;
  v2v: string | undefined;
  ours: string | undefined;
}

/** What the two left behind that is not the same; what both changed alike is no difference. */
export function differences(before: Listing, v2v: Listing, ours: Listing): Difference[] {
  return changedPaths(v2v, ours).map((path) => {
    const entry = { path, before: before.get(path), v2v: v2v.get(path), ours: ours.get(path) };
    const by = entry.v2v === entry.before ? 'ours' : entry.ours === entry.before ? 'virt-v2v' : 'both';
    return { ...entry, by };
  });
}

/** Splits differences into explained ones, by explanation, and the rest. The first that fits explains. */
export function explain(
  found: readonly Difference[],
  explanations: readonly Explanation[],
): { explained: Map<Explanation, Difference[]>; unexplained: Difference[] } {
  const explained = new Map<Explanation, Difference[]>();
  const unexplained: Difference[] = [];
  for (const difference of found) {
    const match = explanations.find(
      ({ by, path }) => by === difference.by && new RegExp(`^(?:${path.source})$`).test(difference.path),
    );
    if (match === undefined) unexplained.push(difference);
    else explained.set(match, [...(explained.get(match) ?? []), difference]);
  }
  return { explained, unexplained };
}

/** Files we changed without a word in the report. Directories of new files are not worth one. */
export function unreported(before: Listing, ours: Listing, reported: readonly string[]): string[] {
  const named = new Set(reported);
  return changedPaths(before, ours).filter(
    (path) => !named.has(path) && !(ours.get(path)?.startsWith('d ') && !before.has(path)),
  );
}
