/**
 * Covering arrays of strength two: a small set of rows in which every pair of values of two parameters stands
 * together at least once. Greedy, one row at a time, after Cohen et al., "The AETG system" (1997), but without
 * chance: the same parameters give the same rows.
 */

/** Parameters with their values, both in the order in which ties are broken. */
export type Parameters = Readonly<Record<string, readonly string[]>>;

export type Row<P extends Parameters> = { readonly [Name in keyof P]: P[Name][number] };

/** Whether values can stand together; asked with incomplete rows too, and must then judge what is there. */
export type Feasible<P extends Parameters> = (row: Partial<Row<P>>) => boolean;

interface Pair {
  names: [string, string];
  values: [string, string];
}

/** Every two values that can stand in one row. */
export function feasiblePairs<P extends Parameters>(parameters: P, feasible: Feasible<P>): Pair[] {
  const names = Object.keys(parameters);
  return names
    .flatMap((first, index) => names.slice(index + 1).map((second) => [first, second] as [string, string]))
    .flatMap(([first, second]) =>
      (parameters[first] ?? []).flatMap((a) =>
        (parameters[second] ?? []).map((b): Pair => ({ names: [first, second], values: [a, b] })),
      ),
    )
    .filter((pair) => complete(parameters, feasible, seedOf(pair)) !== undefined);
}

/** Whether a row has the pair. */
export function covers(row: Readonly<Record<string, string | undefined>>, { names, values }: Pair): boolean {
  return row[names[0]] === values[0] && row[names[1]] === values[1];
}

/**
 * Rows that cover every feasible pair.
 *
 * @param candidates how many rows are tried for each one that is taken: more give fewer rows
 */
export function coveringArray<P extends Parameters>(
  parameters: P,
  feasible: Feasible<P>,
  candidates = 60,
): Row<P>[] {
  const rows: Row<P>[] = [];
  let open = feasiblePairs(parameters, feasible);
  while (open.length > 0) {
    let best: { row: Record<string, string>; left: Pair[] } | undefined;
    for (let candidate = 0; candidate < Math.min(candidates, open.length); candidate += 1) {
      const seed = open[candidate];
      const row = seed && greedyRow({ parameters, feasible, open, rows }, seed, candidate);
      if (row === undefined) continue;
      const left = open.filter((pair) => !covers(row, pair));
      if (best === undefined || left.length < best.left.length) best = { row, left };
    }
    if (best === undefined) throw new Error('a pair that fits no row was taken for feasible');
    rows.push(best.row as Row<P>);
    open = best.left;
  }
  return rows;
}

const seedOf = ({ names, values }: Pair): Record<string, string> => ({
  [names[0]]: values[0],
  [names[1]]: values[1],
});

interface Search<P extends Parameters> {
  parameters: P;
  feasible: Feasible<P>;
  open: readonly Pair[];
  /** What was taken so far. */
  rows: readonly Row<P>[];
}

/** Fills a row around a pair, each time with the value that covers most of what is open, or was seldom taken. */
function greedyRow<P extends Parameters>(
  { parameters, feasible, open, rows }: Search<P>,
  seed: Pair,
  turn: number,
): Record<string, string> | undefined {
  let row = seedOf(seed);
  const names = Object.keys(parameters);
  // Another start for each candidate, so that they differ in more than their seed.
  const order = names.map((_, index) => names[(index + turn) % names.length] ?? '');
  for (const name of order) {
    if (row[name] !== undefined) continue;
    const values = (parameters[name] ?? [])
      .map((value) => ({
        value,
        gain: open.filter((pair) => gains(pair, row, name, value)).length,
        taken: rows.filter((each) => each[name] === value).length,
      }))
      .sort((a, b) => b.gain - a.gain || a.taken - b.taken)
      .filter(({ value }) => complete(parameters, feasible, { ...row, [name]: value }) !== undefined);
    const [best] = values;
    if (best === undefined) return undefined;
    row = { ...row, [name]: best.value };
  }
  return row;
}

/** Whether a value of `name` meets an open pair with a value the row has, or may still get. */
function gains(pair: Pair, row: Readonly<Record<string, string>>, name: string, value: string): boolean {
  return covers({ ...row, [name]: value }, pair) && pair.names.includes(name);
}

/** A whole row with these values; undefined when there is none. */
function complete<P extends Parameters>(
  parameters: P,
  feasible: Feasible<P>,
  row: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  if (!feasible(row as Partial<Row<P>>)) return undefined;
  const name = Object.keys(parameters).find((each) => row[each] === undefined);
  if (name === undefined) return row;
  for (const value of parameters[name] ?? []) {
    const found = complete(parameters, feasible, { ...row, [name]: value });
    if (found !== undefined) return found;
  }
  return undefined;
}
