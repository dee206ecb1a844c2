import { paintFor, type Paint } from './options.ts';

/** Where a command prints. Data goes to stdout, everything said about it to stderr. */
export interface Terminal {
  /** Data: one text, a newline is added. */
  print(text: string): void;
  /** A word to the person, not part of the data. */
  note(text: string): void;
  /** True when stdout is a terminal that can be redrawn. */
  interactive: boolean;
  /** Columns of stdout; 100 when it is not a terminal. */
  columns(): number;
  rows(): number;
  paint: Paint;
  paintNote: Paint;
}

export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  return {
    print: (text) => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    interactive: stdout.isTTY,
    columns: () => (stdout.isTTY ? stdout.columns : 100),
    rows: () => (stdout.isTTY ? stdout.rows : 40),
    paint: paintFor(stdout),
    paintNote: paintFor(stderr),
  };
}
