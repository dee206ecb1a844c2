import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../docs/ui.md', import.meta.url), 'utf8');

/** The list filters of docs/ui.md: what each shows, and its query. */
export const filters: ReadonlyMap<string, string> = new Map(
  [...page.matchAll(/^\| ([^|`]+?) +\| `(.+)` +\|$/gm)].map(([, what = '', query = '']) => [what, query]),
);

/** What docs/ui.md has people type into the console of their browser for the columns of lists. */
export const columnsScript = /^```js\n(.*?)^```/ms.exec(page)?.[1] ?? '';
