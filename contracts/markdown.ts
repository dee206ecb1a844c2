/** Markdown, made of text from outside: that can neither form markup nor move a terminal's cursor. */

const row = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** Rows in columns. Cells hold Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

/** `2026-11-23 07:01 UTC`. */
export function time(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

/** One line, without control and direction characters. */
export function plain(value: string): string {
  return value.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029\s]+/gu, ' ').trim();
}

/** Prose with whatever could be markup escaped. */
export function text(value: string): string {
  return escaped(plain(value));
}

const escaped = (value: string) => value.replaceAll(/[\\`*_[\]<>#]/g, '\\$&');

/** Prose of ours, in which backticks mark what is to be typed; all else that could be markup is escaped. */
export function prose(value: string): string {
  return plain(value)
    .split(/(`[^`]+`)/)
    .map((part, index) => (index % 2 === 1 ? part : escaped(part)))
    .join('');
}

/** Backticks that nothing inside can end. */
export function fenceFor(content: string, least: number): string {
  const longest = Math.max(0, ...[...content.matchAll(/`+/g)].map((run) => run[0].length));
  return '`'.repeat(Math.max(least, longest + 1));
}

/** A code span that no backtick inside can end. */
export function code(value: string): string {
  const clean = plain(value);
  const fence = fenceFor(clean, 1);
  const pad = clean.startsWith('`') || clean.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${clean}${pad}${fence}`;
}
