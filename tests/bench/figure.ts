/** One figure of the bench, next to the bound it has to keep. */
export interface Figure {
  name: string;
  /** What it was held against, and how. */
  measured: string;
  value: number;
  unit: '×' | 'MB' | 'KiB' | 's' | 'events' | 'sockets' | 'holders';
  /** The value must not be above it; a figure without is told, not judged. */
  bound?: number;
  /** The single readings behind it, for whoever doubts it. */
  readings: Record<string, readonly number[]>;
}

/** Digits that mean something: three. */
const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const rounded = (values: readonly number[]): number[] => values.map((value) => Number(shown(value)));

/** Figures as a Markdown table. */
export function tableOf(figures: readonly Figure[]): string {
  return [
    '| Figure | Value | Bound | | Measured against |',
    '| --- | --- | --- | --- | --- |',
    ...figures.map(rowOf),
  ].join('\n');
}

function rowOf({ name, measured, value, unit, bound }: Figure): string {
  const verdict = bound === undefined ? 'told' : value <= bound ? 'kept' : '**missed**';
  const limit = bound === undefined ? '' : `≤ ${bound} ${unit}`;
  return `| ${name} | ${shown(value)} ${unit} | ${limit} | ${verdict} | ${measured} |`;
}
