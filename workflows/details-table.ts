import { table } from '../contracts/markdown.ts';

/** The web UI gives cells no space of their own. An en space: an ordinary one would be trimmed. */
const gap = '\u2002';

/** A table as the Temporal UI shows it well. Cells hold Markdown. */
export function detailsTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const spaced = (cells: readonly string[]) =>
    cells.map((cell, index) => (index === cells.length - 1 ? cell : cell + gap));
  // Heads stand in the middle of their columns unless they are told where.
  return table(spaced(head), rows.map(spaced)).replaceAll(' --- ', ' :--- ');
}
