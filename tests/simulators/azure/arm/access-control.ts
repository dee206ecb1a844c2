import type { World } from './world.ts';
import { ArmError } from './errors.ts';

/** Whether an RBAC pattern such as `Microsoft.Compute/*` covers an action; without regard to case. */
function covers(pattern: string, action: string): boolean {
  const source = pattern.split('*').map(escape).join('.*');
  return new RegExp(`^${source}$`, 'i').test(action);
}

const escape = (text: string) => text.replace(/[.+?^${}()|[\]\\/]/g, '\\$&');

function isDenied({ settings }: World, action: string): boolean {
  const has = (patterns: readonly string[]) => patterns.some((pattern) => covers(pattern, action));
  return has(settings.deniedActions) || !has(settings.allowedActions);
}

/** @throws ArmError AuthorizationFailed, in the words of the service. */
export function authorize(world: World, action: string, scope: string): void {
  if (!isDenied(world, action)) return;
  const { clientId, objectId } = world.principal;
  throw new ArmError(
    403,
    'AuthorizationFailed',
    `The client '${clientId}' with object id '${objectId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

/**
 * For an action that needs another on a linked resource, as a snapshot needs `beginGetAccess` on its disk.
 *
 * @throws ArmError LinkedAuthorizationFailed.
 */
export function authorizeLinked(
  world: World,
  { action, scope }: { action: string; scope: string },
  linked: { action: string; scope: string },
): void {
  if (!isDenied(world, linked.action)) return;
  const { clientId, objectId } = world.principal;
  throw new ArmError(
    403,
    'LinkedAuthorizationFailed',
    `The client '${clientId}' with object id '${objectId}' has permission to perform action '${action}' on scope '${scope}'; however, it does not have permission to perform action(s) '${linked.action}' on the linked scope(s) '${linked.scope}' (respectively) or the linked scope(s) are invalid.`,
  );
}
