import { z } from 'zod';
import { badRequest } from './errors.ts';
import type { Resource, Table } from './model.ts';
import type { Route } from './router.ts';
import type { World } from './world.ts';

export const tagsSchema = z.record(z.string().max(512), z.string().max(256));
const body = z.object({ tags: tagsSchema.optional() });

/** PATCH of a resource; only its tags can be changed here. They replace those there were. */
export function patchTags<T extends Resource>(
  world: World,
  { table, path, render }: { table: Table<T>; path: string; render: (resource: T) => unknown },
): Route {
  return {
    method: 'PATCH',
    path,
    action: `${table.type}/write`,
    handle: ({ call, params }) => {
      const resource = world.require(table, params['group'] ?? '', params['name'] ?? '');
      const { tags } = parseBody(body, call.body);
      if (tags) resource.tags = tags;
      return { status: 200, body: render(resource) };
    },
  };
}

/** @throws ArmError BadRequest for a body that is not what the service takes. */
export function parseBody<T>(schema: z.ZodType<T>, text: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw badRequest(
      'InvalidRequestContent',
      'The request content was invalid and could not be deserialized.',
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(
    'InvalidParameter',
    `Required parameter '${issue?.path.join('.')}' is missing or invalid: ${issue?.message}`,
  );
}
