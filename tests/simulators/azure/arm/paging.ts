import type { Reply } from '../server.ts';
import { badRequest } from './errors.ts';
import type { Resource } from './model.ts';

const skipToken = '$skiptoken';

/**
 * One page of a listing. The link to the next repeats the query with a token that names the last item, in the
 * form the compute provider's examples show: `{token}/Subscriptions/../ResourceGroups/../Disks/name`.
 */
export function page<T extends Resource>(
  url: URL,
  items: readonly T[],
  pageSize: number,
  render: (item: T) => unknown,
): Reply {
  const token = [...url.searchParams].find(([key]) => key.toLowerCase() === skipToken)?.[1];
  const start = token === undefined ? 0 : startAfter(token, items);
  const shown = items.slice(start, start + pageSize);
  const last = shown.at(-1);
  const more = start + pageSize < items.length && last !== undefined;
  return {
    status: 200,
    body: { value: shown.map(render), ...(more ? { nextLink: nextLink(url, last) } : {}) },
  };
}

function startAfter(token: string, items: readonly Resource[]): number {
  const id = token.slice(token.indexOf('/'));
  const at = items.findIndex((item) => tokenPath(item) === id);
  if (at < 0) throw badRequest('InvalidSkipToken', `The skip token '${token}' is not valid.`);
  return at + 1;
}

function nextLink(url: URL, last: Resource): string {
  const next = new URL(url);
  for (const key of [...next.searchParams.keys()])
    if (key.toLowerCase() === skipToken) next.searchParams.delete(key);
  const query = next.searchParams.toString();
  const token = Buffer.from(last.name).toString('base64url') + tokenPath(last);
  return `${next.origin}${next.pathname}?${query}&${skipToken}=${encodeURIComponent(token)}`;
}

const tokenPath = ({ id }: Resource): string => {
  const [, , subscription, , group, , , type, ...names] = id.split('/');
  return `/Subscriptions/${subscription}/ResourceGroups/${group?.toUpperCase()}/${type}/${names.join('/')}`;
};
