import type { Resource, Table } from './model.ts';
import { page } from './paging.ts';
import { pathsOf, type Route } from './router.ts';
import type { World } from './world.ts';

/** The three ways to read resources of a type: all, those of a group, and one. */
export function readRoutes<T extends Resource>(
  world: World,
  table: Table<T>,
  render: (resource: T) => unknown,
): Route[] {
  const paths = pathsOf(table.type);
  const action = `${table.type}/read`;
  const paged = (url: URL, resources: T[]) => page(url, resources, world.settings.pageSize, render);
  return [
    { method: 'GET', path: paths.all, action, handle: ({ call }) => paged(call.url, table.list()) },
    {
      method: 'GET',
      path: paths.inGroup,
      action,
      handle: ({ call, params }) => paged(call.url, table.list(world.group(params['group'] ?? '').name)),
    },
    {
      method: 'GET',
      path: paths.one,
      action,
      handle: ({ params }) => ({
        status: 200,
        body: render(world.require(table, params['group'] ?? '', params['name'] ?? '')),
      }),
    },
  ];
}
