/** Text as it may go to a terminal: nothing in it can move the cursor, set colours or turn the writing direction. */
export function safe(text: string): string {
  return text.replaceAll(/[^\P{C}\n]/gu, '?');
}

/** One line of it. */
export function safeLine(text: string): string {
  return safe(text.replaceAll(/\s+/g, ' ').trim());
}

/** A JSON document; the control characters that JSON leaves as they are are escaped too. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const escapeSequence = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** Columns a text takes on a terminal, colours not counted. */
function widthOf(text: string): number {
  return text.replaceAll(escapeSequence, '').length;
}

/**
 * Rows in columns as wide as their widest cell, two blanks apart, without boxes. The last column is not
 * padded. Cells may be coloured, the heads are.
 */
export function alignColumns(rows: readonly (readonly string[])[], indent = ''): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)),
      );
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .join('\n');
}

/** Breaks prose at blanks into lines of at most `columns`, each after `indent`. Newlines in it are kept. */
export function wrap(text: string, columns: number, indent = ''): string {
  const room = Math.max(20, columns - indent.length);
  return text
    .split('\n')
    .flatMap((line) => wrapLine(line, room))
    .map((line) => (indent + line).trimEnd())
    .join('\n');
}

function wrapLine(line: string, room: number): string[] {
  const lead = /^\s*/.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let current = lead;
  for (const word of line.trim().split(' ')) {
    if (current.trim() !== '' && current.length + 1 + word.length > room) {
      lines.push(current);
      current = lead + word;
    } else {
      current += current.trim() === '' ? word : ` ${word}`;
    }
  }
  return [...lines, current];
}

/** No column gets narrower than this. */
const leastWidth = 6;

/**
 * The rows with cells cut so that {@link alignColumns} makes lines of at most `columns`, as far as that can be: the
 * widest columns give way first. Cells must not be coloured.
 */
export function cutColumns(rows: readonly (readonly string[])[], columns: number): string[][] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  const width = () => widths.reduce((total, one) => total + one + 2, -2);
  for (
    let widest = Math.max(...widths);
    width() > columns && widest > leastWidth;
    widest = Math.max(...widths)
  )
    widths[widths.indexOf(widest)] = widest - 1;
  return rows.map((row) => row.map((cell, at) => cutTo(cell, widths[at] ?? 0)));
}

function cutTo(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
