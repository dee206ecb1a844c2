import { randomUUID } from 'node:crypto';
import type { Call, Reply } from '../server.ts';
import type { IssuedToken } from '../tokens.ts';
import { authorize } from './access-control.ts';
import { ArmError, badRequest } from './errors.ts';
import type { World } from './world.ts';

export interface ArmRequest {
  call: Call;
  /** The named segments of the path, as they were sent. */
  params: Record<string, string>;
  /** Id of the resource or group that the request is about: its path without a trailing action. */
  scope: string;
}

export interface Route {
  method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  /** Path with `{names}`; compared without case, as the service does. */
  path: string;
  /** The RBAC action it needs. Null for what anybody who is logged in may. */
  action: string | null;
  handle: (request: ArmRequest) => Reply | Promise<Reply>;
}

/** Of Azure clouds, and what old tools ask for. */
const audiences = ['https://management.azure.com', 'https://management.core.windows.net'];
const limits = { reads: 11_999, writes: 1_199, deletes: 14_999 };

/** Resource Manager's front: identity, versions, access control, quotas; then the route of the path. */
export class Router {
  readonly #world: World;
  readonly #routes: { route: Route; pattern: RegExp }[];
  readonly #left = { ...limits };

  constructor(world: World, routes: readonly Route[]) {
    this.#world = world;
    this.#routes = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  }

  async reply(call: Call): Promise<Reply> {
    const requestId = randomUUID();
    const reply = await this.#answer(call).catch((error: unknown) => {
      if (error instanceof ArmError) return error.reply;
      throw error;
    });
    return {
      ...reply,
      headers: {
        'cache-control': 'no-cache',
        'x-ms-request-id': requestId,
        'x-ms-correlation-request-id': call.headers['x-ms-correlation-request-id']?.toString() ?? requestId,
        'x-ms-routing-request-id': `WESTEUROPE:${new Date().toISOString()}:${requestId}`,
        ...this.#quota(call.method),
        ...reply.headers,
      },
    };
  }

  async #answer(call: Call): Promise<Reply> {
    this.#authenticate(call);
    const version = call.url.searchParams.get('api-version');
    if (version === null)
      throw badRequest(
        'MissingApiVersionParameter',
        'The api-version query parameter (?api-version=) is required for all requests.',
      );
    if (!/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(version))
      throw badRequest('InvalidApiVersionParameter', `The api-version '${version}' is invalid.`);
    const path = decodeURIComponent(call.url.pathname);
    const [, subscription] = /^\/subscriptions\/([^/]+)/i.exec(path) ?? [];
    if (subscription !== undefined && subscription.toLowerCase() !== this.#world.subscription)
      throw new ArmError(
        404,
        'SubscriptionNotFound',
        `The subscription '${subscription}' could not be found.`,
      );

    for (const { route, pattern } of this.#routes) {
      const match = route.method === call.method ? pattern.exec(path) : null;
      if (!match) continue;
      const scope = route.method === 'POST' ? path.slice(0, path.lastIndexOf('/')) : path;
      if (route.action !== null) authorize(this.#world, route.action, scope);
      return route.handle({ call, params: { ...match.groups }, scope });
    }
    throw new ArmError(404, 'NotFound', `No route of the simulator for ${call.method} ${path}`);
  }

  #authenticate(call: Call): IssuedToken {
    const [scheme, jwt = ''] = (call.headers.authorization ?? '').split(' ');
    if (scheme === '')
      throw unauthorized(
        'AuthenticationFailed',
        "Authentication failed. The 'Authorization' header is missing.",
      );
    const token = this.#world.tokens.find(jwt);
    if (scheme?.toLowerCase() !== 'bearer' || !token)
      throw unauthorized('InvalidAuthenticationToken', 'The access token is invalid.');
    if (token.expiresAtMs <= Date.now())
      throw unauthorized(
        'ExpiredAuthenticationToken',
        `The access token expiry UTC time '${new Date(token.expiresAtMs).toISOString()}' is earlier than current UTC time '${new Date().toISOString()}'.`,
      );
    if (![...audiences, call.url.origin].includes(token.audience))
      throw unauthorized(
        'InvalidAuthenticationTokenAudience',
        `The access token has been obtained for wrong audience or resource '${token.audience}'. It should exactly match with one of the allowed audiences '${audiences.join("','")}'.`,
      );
    return token;
  }

  #quota(method: string): Record<string, string> {
    const kind = method === 'DELETE' ? 'deletes' : method === 'GET' ? 'reads' : 'writes';
    this.#left[kind] = Math.max(0, this.#left[kind] - 1);
    return { [`x-ms-ratelimit-remaining-subscription-${kind}`]: String(this.#left[kind]) };
  }
}

const unauthorized = (code: string, message: string) =>
  new ArmError(401, code, message, {
    headers: {
      'www-authenticate': `Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="${message}"`,
    },
  });

function patternOf(path: string): RegExp {
  const source = path
    .split(/(\{\w+\})/)
    .map((part) => part.replace(/^\{(\w+)\}$/, '(?<$1>[^/]+)').replace(/\./g, '\\.'))
    .join('');
  return new RegExp(`^${source}/?$`, 'i');
}

const groupPath = '/subscriptions/{subscription}/resourceGroups/{group}';

/** Paths of a type: of one resource, of those in a group, of those in the subscription. */
export const pathsOf = (type: string) => ({
  one: `${groupPath}/providers/${type}/{name}`,
  inGroup: `${groupPath}/providers/${type}`,
  all: `/subscriptions/{subscription}/providers/${type}`,
});
