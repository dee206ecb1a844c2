import { z } from 'zod';
import { LonghaulError, messageOf } from '../../../contracts/errors.ts';
import { redactLine } from '../../../contracts/redact.ts';

/** Longer texts of the service say nothing more to an operator. */
const maxWords = 600;

/** Error answers of Resource Manager: code, message, sometimes a list of what lies below. */
const armBody = z.object({
  error: z.object({ code: z.string().max(200), message: z.string() }).partial(),
});

/** The parts of RestError (core-rest-pipeline) and AuthenticationError (identity) that are read. */
interface Answer {
  status: number;
  /** Azure's own, for example `AuthorizationFailed`. */
  code: string;
  /** In Azure's words. */
  message: string;
  requestId?: string;
}

/**
 * Anything that a call of the SDK threw, as a LonghaulError with Azure's code, words and request id. `details`
 * has `azureCode`, `status` and `requestId`, for callers to whom some answers are no error.
 *
 * @param doing what was tried, after "to": "read the VM web01"
 */
export function azureError(error: unknown, doing: string): LonghaulError {
  if (error instanceof LonghaulError) return error;
  if (!(error instanceof Error)) return unexpected(String(error), doing, error);
  if (isLoginError(error)) return loginError(error, doing);
  const answer = answerOf(error);
  if (answer !== undefined) return answered(answer, doing, error);
  const net = networkErrorOf(error);
  return net === undefined ? unexpected(error.message, doing, error) : unreachable(net, doing, error);
}

function answered(answer: Answer, doing: string, error: Error): LonghaulError {
  const { status, code, requestId } = answer;
  const said = `Azure refused to ${doing}: ${words(answer.message)} (${[code, `HTTP ${status}`, ...(requestId === undefined ? [] : [`request ${requestId}`])].join(', ')})`;
  const details = { azureCode: code, status, ...(requestId === undefined ? {} : { requestId }) };
  const make = (
    ourCode: ConstructorParameters<typeof LonghaulError>[0],
    remedy: string,
    more: { retryable?: boolean; details?: Record<string, unknown> } = {},
  ) =>
    new LonghaulError(
      ourCode,
      { found: said, remedy, ...more, details: { ...details, ...more.details } },
      safeCause(error),
    );

  if (status === 429)
    return make('AZURE_THROTTLED', 'It is tried again. Fewer migrations at once ask Azure less.');
  if (status === 401)
    return make('AZURE_LOGIN_FAILED', 'Log in again, and see that the clock of the host is right.', {
      // Another attempt logs in anew.
      retryable: code === 'ExpiredAuthenticationToken',
    });
  if (status === 403) {
    const denied = deniedAction(answer.message);
    return make(
      'AZURE_DENIED',
      denied === undefined
        ? 'Give the account the right to do that, or take away the lock or policy that Azure names.'
        : `Give the account a role that allows ${denied.action} on ${denied.scope}. The role that Longhaul needs is in SECURITY.md. Roles take some minutes to have effect.`,
      denied === undefined ? {} : { details: { ...denied } },
    );
  }
  if (status === 404)
    return make(
      'SOURCE_NOT_FOUND',
      'See that subscription, resource group and name are right, and the cloud.',
    );
  if (status >= 500 || status === 408 || status === 409)
    return make(
      'AZURE_FAILED',
      'It is tried again. If it stays, look at the activity log of the resource and the state of Azure.',
    );
  return make('AZURE_FAILED', 'Look at the words of Azure: what is asked for cannot be done.', {
    retryable: false,
  });
}

/** `... perform action 'A' over scope 'S'`, and of linked resources `action(s) 'A' on the linked scope(s) 'S'`. */
function deniedAction(message: string): { action: string; scope: string } | undefined {
  const linked =
    /does not have permission to perform action\(s\) '([^']{1,200})' on the linked scope\(s\) '([^']{1,1000})'/.exec(
      message,
    );
  const own = /perform action '([^']{1,200})' over scope '([^']{1,1000})'/.exec(message);
  const [, action, scope] = linked ?? own ?? [];
  return action === undefined || scope === undefined ? undefined : { action, scope };
}

function answerOf(error: Error): Answer | undefined {
  if (error.name !== 'RestError' || !('statusCode' in error) || typeof error.statusCode !== 'number')
    return undefined;
  const { code, message } = bodyOf(error);
  const requestId = requestIdOf(error);
  return {
    status: error.statusCode,
    code: code ?? ('code' in error && typeof error.code === 'string' ? error.code : 'no code'),
    message: message ?? error.message,
    ...(requestId === undefined ? {} : { requestId }),
  };
}

function bodyOf(error: Error): { code?: string; message?: string } {
  const text = textIn(error, 'response', 'bodyAsText');
  if (text === undefined || text.length > 1_000_000) return {};
  try {
    return armBody.safeParse(JSON.parse(text)).data?.error ?? {};
  } catch {
    return {}; // No JSON, as a proxy answers: the status says enough.
  }
}

function requestIdOf(error: Error): string | undefined {
  const response = 'response' in error ? error.response : undefined;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('get' in headers)) return undefined;
  const id: unknown = (headers as { get(name: string): unknown }).get('x-ms-request-id');
  return typeof id === 'string' && /^[\w-]{1,80}$/.test(id) ? id : undefined;
}

function textIn(value: object, ...path: string[]): string | undefined {
  const found = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );
  return typeof found === 'string' ? found : undefined;
}

const loginErrors = new Set([
  'AuthenticationError',
  'AuthenticationRequiredError',
  'CredentialUnavailableError',
  'AggregateAuthenticationError',
  'ClientConfigurationError',
]);

function isLoginError(error: Error): boolean {
  return loginErrors.has(error.name);
}

function loginError(error: Error, doing: string): LonghaulError {
  const net = networkErrorOf(error);
  if (net !== undefined) return unreachable(net, `log in to ${doing}`, error);
  const said = `to ${doing}: ${words(withoutNoise(error.message))}`;
  const status = temporaryStatusOf(error);
  if (status !== undefined)
    return loginUnanswered(`the login to Azure was answered with HTTP ${status} ${said}`, safeCause(error));
  return loginFailed(
    said,
    'See that tenant, client and secret or certificate belong together and have not expired, and that the login fits this host. docs/spec.md says which ways to log in there are.',
    safeCause(error),
  );
}

export function loginFailed(found: string, remedy: string, cause?: unknown): LonghaulError {
  return new LonghaulError('AZURE_LOGIN_FAILED', { found, remedy }, cause);
}

/** Says nothing about the login itself: another attempt may succeed. */
export function loginUnanswered(found: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'AZURE_FAILED',
    {
      found,
      remedy:
        'It is tried again. See that the login fits this host: managed identities exist on Azure machines only. See that the host reaches the login server, through a proxy where one is needed (HTTPS_PROXY).',
    },
    cause,
  );
}

/** Of an answer that says nothing about who logs in: MSAL and the SDK keep its status somewhere below. */
function temporaryStatusOf(error: unknown): number | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    const { status, statusCode = status } = at as { status?: unknown; statusCode?: unknown };
    if (statusCode === 408 || statusCode === 429 || Number(statusCode) >= 500) return Number(statusCode);
  }
  return undefined;
}

/** Entra ID adds ids and times in lines of their own; advice of the SDK repeats itself. */
function withoutNoise(message: string): string {
  return message
    .replaceAll(/(Trace ID|Timestamp): [^\s]+( \d\d:\d\d:\d\dZ)?/g, '')
    .replaceAll(/To troubleshoot, visit \S+/g, '');
}

function unreachable({ code, text }: NetworkError, doing: string, error: Error): LonghaulError {
  const trust = /CERT|SIGNED|VERIFY|TLS_/.test(code);
  return new LonghaulError(
    'AZURE_FAILED',
    {
      found: `Azure could not be reached to ${doing}: ${words(text)} (${code})`,
      remedy: trust
        ? 'Its certificate is not trusted here. Where a proxy or a private cloud has an authority of its own, name its certificate in NODE_EXTRA_CA_CERTS.'
        : 'It is tried again. See that this host reaches Azure; proxies are named in HTTPS_PROXY and NO_PROXY.',
      retryable: !trust,
    },
    safeCause(error),
  );
}

interface NetworkError {
  code: string;
  text: string;
}

/** The error of a socket, of name resolution or of TLS somewhere below: those have codes in capitals. */
function networkErrorOf(error: unknown): NetworkError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string' && /^(E[A-Z_]{3,}|[A-Z]+(_[A-Z]+)+)$/.test(at.code))
      return { code: at.code, text: at.message };
  }
  return undefined;
}

function unexpected(message: string, doing: string, error: unknown): LonghaulError {
  return new LonghaulError(
    'AZURE_FAILED',
    {
      found: `to ${doing} failed: ${words(message)}`,
      remedy: 'It is tried again. If it stays, see that this version of Longhaul fits the cloud.',
    },
    safeCause(error),
  );
}

function words(text: string): string {
  const line = redactLine(text).replaceAll(/\s+/g, ' ').trim();
  return line.length <= maxWords ? line : `${line.slice(0, maxWords)}...`;
}

/** What it said. The error itself has the request with it, and that the token. */
function safeCause(error: unknown): Error {
  const cause = new Error(redactLine(messageOf(error)));
  if (error instanceof Error) cause.name = error.name;
  return cause;
}
