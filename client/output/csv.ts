/** A column of a table: its head, and what stands in it. */
export type CsvColumn<Row> = readonly [head: string, value: (row: Row) => string | number | undefined];

/** Rows as CSV with a line of heads; RFC 4180. The end of the last line is left to the printer. */
export function csvText<Row>(columns: readonly CsvColumn<Row>[], rows: readonly Row[]): string {
  const lines = [
    columns.map(([head]) => head),
    ...rows.map((row) => columns.map(([, value]) => csvField(value(row)))),
  ];
  return lines.map((fields) => fields.join(',')).join('\r\n') + '\r';
}

/**
 * Names and tags are other people's: what a spreadsheet would take for a formula gets an apostrophe before it.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
function csvField(value: string | number | undefined): string {
  const text = String(value ?? '');
  const inert = typeof value === 'string' && /^\s*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) || inert !== text ? `"${inert.replaceAll('"', '""')}"` : inert;
}
